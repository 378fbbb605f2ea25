"""What a configuration must share with the one that a model was trained with."""

from dataclasses import fields
from pathlib import Path

from tools.common.errors import UserError
from tools.config.load import Config
from tools.config.schema import HyperParameters
from tools.training.settings import load_settings

# Hyper-parameters that the parameters or the meaning of an interest depend on.
MUST_AGREE = [
    f"hyper_parameters.{one.name}"
    for one in fields(HyperParameters)
    if not one.metadata.get("training", one.name == "optimizer")
]


def check(folder, trained: Config, config: Config, keys=MUST_AGREE):
    """A `UserError` with a line for each of the keys that differs from training's, with both values.

    Args:
        folder: of the model, for the message.
        trained: the configuration that the model was trained with.
        config: the one that it is to be used with.
        keys: dotted, as in the yaml.
    """
    then, now = trained.flat(), config.flat()
    different = [
        f"{folder}: trained with {key}: {then[key]}, the configuration has {now[key]}; "
        f"set it to {then[key]} or train again"
        for key in keys
        if then[key] != now[key]
    ]
    if different:
        raise UserError("\n       ".join(different))


def check_checkpoint(folder, config: Config, keys=MUST_AGREE):
    """As `check`, of a checkpoint; to be called before data is read, which other hyper-parameters may not fit.

    Nothing is checked where a checkpoint is missing, which is told elsewhere, or has no configuration, as PaddleRec's.
    """
    path = Path(folder) / "config.yaml"
    if path.is_file():
        check(folder, load_settings(path), config, keys)
