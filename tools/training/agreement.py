"""What a configuration must share with the one that a model was trained with."""

from dataclasses import fields
from pathlib import Path

from tools.common import replacing
from tools.common.errors import UserError
from tools.common.files import shown
from tools.config.load import Config, useless_keys
from tools.config.schema import HyperParameters
from tools.data import identity
from tools.data.dataset import read_meta
from tools.training.settings import load_settings

ITEM_COUNT = "hyper_parameters.item_count"
# Hyper-parameters that the parameters or the meaning of an interest depend on.
MUST_AGREE = [
    f"hyper_parameters.{one.name}"
    for one in fields(HyperParameters)
    if not one.metadata.get("training", one.name == "optimizer")
]


def check(folder, trained: Config, config: Config, keys=MUST_AGREE):
    """A `UserError` with a line for each of the keys that differs from training's, with both values.

    Keys of other models don't matter.

    Args:
        folder: of the model, for the message.
        trained: the configuration that the model was trained with.
        config: the one that it is to be used with.
        keys: dotted, as in the yaml.
    """
    then, now, model = trained.flat(), config.flat(), config.hyper_parameters.model
    different = [key for key in keys if then[key] != now[key]]
    if different:
        from models import MODELS  # not above: who serves an export needs no model

        useless = useless_keys(model, MODELS) if model in MODELS else set()  # their defaults are of any version
        different = [key for key in different if key not in useless]
    if different:
        raise UserError(
            "\n       ".join(
                f"{folder}: trained with {key}: {then[key]}, the configuration has {now[key]}; "
                f"set it to {then[key]} or train again"
                for key in different
            )
        )


def check_checkpoint(folder, config: Config, keys=MUST_AGREE, *, going_on=False):
    """As `check`, of a checkpoint, and that its data set is the configuration's; to be called before data is read.

    Nothing is checked where a checkpoint is missing, which is told elsewhere; of one without a configuration, as
    PaddleRec's, or without identity what can be.

    Args:
        folder: of the checkpoint.
        config: the configuration.
        keys: dotted, as in the yaml.
        going_on: see `tools.data.identity.check`.
    """
    replacing.restore(folder)
    path, runner = Path(folder) / "config.yaml", config.runner
    trained = load_settings(path) if path.is_file() else None
    carried = identity.read(folder)
    found = identity.read_identity(runner_splits(config), files=bool(carried and carried.files))
    maps = (carried.item_map, found.item_map) if carried else (None, None)
    if trained:
        grown = going_on and None not in maps and maps[0] != maps[1]  # each row is found by its item, see `rows`
        check(folder, trained, config, [one for one in keys if one != ITEM_COUNT or not grown])
    by_name = going_on and runner.init_by == "original_id" and (Path(folder) / "rec.pdparams").is_file()
    if by_name and None in maps:
        lacks = f"{folder} does not say its item map" if maps[0] is None else found.told
        raise UserError(
            f"runner.init_by: original_id needs the item maps of both: {lacks}; prepare with tools.preprocess"
        )
    if carried:
        if not by_name:
            identity.check(folder, carried._replace(bases=()), found, going_on=going_on)
        return
    counted = read_meta(runner.train_data_dir).get("item_count")
    if trained and counted not in (None, then := trained.hyper_parameters.item_count):
        raise UserError(
            f"{folder}: trained with item_count {then}, {Path(runner.train_data_dir).parent} has {shown(counted)}; "
            "give the data set that it was trained on, or train again"
        )


def runner_splits(config: Config) -> list[str]:
    """The folders of a configuration's splits, training's first."""
    return [config.runner.train_data_dir, config.runner.valid_data_dir, config.runner.test_data_dir]
