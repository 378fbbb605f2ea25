"""What a configuration must share with the one that a model was trained with."""

from dataclasses import fields
from pathlib import Path

from tools.config import Config, load_config
from tools.errors import UserError
from tools.schema import HyperParameters

# Hyper-parameters that the parameters or the meaning of an interest hang on.
MUST_AGREE = [one.name for one in fields(HyperParameters) if not one.metadata.get("training", one.name == "optimizer")]


def check(folder, trained: Config, config: Config):
    """A `UserError` with a line for each hyper-parameter that differs from training's, with both values.

    Args:
        folder: of the model, for the message.
        trained: the configuration that the model was trained with.
        config: the one that it is to be used with.
    """
    errors = []
    for name in MUST_AGREE:
        then, now = (getattr(one.hyper_parameters, name) for one in (trained, config))
        if then != now:
            errors.append(
                f"{folder}: trained with hyper_parameters.{name}: {then}, the configuration has {now}; "
                f"set it to {then} or train again"
            )
    if errors:
        raise UserError("\n       ".join(errors))


def check_checkpoint(folder, config: Config):
    """As `check`, of a checkpoint; to be called before data is read, which other hyper-parameters may not fit.

    Nothing is checked where a checkpoint is missing, which is told elsewhere, or has no configuration, as PaddleRec's.
    """
    path = Path(folder) / "config.yaml"
    if path.is_file():
        check(folder, load_config(path), config)
