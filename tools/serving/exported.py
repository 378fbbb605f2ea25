"""The folder that `tools.export` writes, as `tools.predict` and `tools.add_items` must find it: whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tools.common import checksums, replacing
from tools.common.errors import UserError
from tools.common.files import map_array
from tools.config.load import Config
from tools.config.overrides import read_yaml
from tools.data import identity
from tools.data.dataset import read_map
from tools.training import agreement
from tools.training.settings import load_settings

CONFIG, TRAINED = "config.yaml", "trained.yaml"  # of the export, and what its model was trained with
NEEDED = (CONFIG, TRAINED, "user_tower.json", "user_tower.pdiparams")
VECTORS = "item_vectors.npy"  # of a model that has any: else the tower gives the scores of all items
AGAIN = "python -m tools.export -m config.yaml"
MADE_AGAIN = f"make it again with: {AGAIN}"


def read(folder) -> tuple[Config, Config]:
    """The configuration of an export, and the one that its model was trained with, which knows of no added items.

    Each file is held against its checksum, since Paddle and Faiss don't survive every damage to theirs.

    Raises:
        UserError: where the folder is no export, a file is missing, cut or changed, or `config.yaml` has other
            hyper-parameters than the model.
    """
    folder = Path(folder)
    replacing.restore(folder)
    for name in NEEDED:
        if not (folder / name).is_file():
            raise UserError(f"{folder}: no {name} here; make it with: {AGAIN}")
    faults = checksums.faults(folder)
    _check(folder, [one for one in faults if not one.startswith(f"{CONFIG}:")])
    config, trained = (load_settings(folder / name) for name in (CONFIG, TRAINED))
    if read_yaml(folder / CONFIG).keys() >= read_yaml(folder / TRAINED).keys():
        # It was edited and not cut: what differs from training helps more than that something does.
        items = trained.hyper_parameters.item_count
        if has_vectors(folder):
            items = len(np.atleast_1d(map_array(folder / VECTORS, MADE_AGAIN)))
        agreement.check(folder / CONFIG, with_items(trained, items), config)
    _check(folder, faults)
    carried = identity.read(folder)
    identity.warn_unknown(folder, carried)
    if carried and carried.item_map != (found := identity.map_digest(folder)):
        raise UserError(
            f"{folder / identity.MAP}: item map {found}, and the export was made with {carried.item_map}: ids would "
            f"mean other items; undo what was done to it, or make it again with: {AGAIN}"
        )
    return config, trained


def has_vectors(folder) -> bool:
    """Whether items have vectors that interests are searched among; else an interest holds the scores of all items."""
    return (Path(folder) / VECTORS).is_file()


def check_data(folder, splits):
    """Refuse a data set whose ids are not those of an export, also of one with items added since.

    Args:
        folder: of the export.
        splits: folders of the data set's splits, training's first; what doesn't exist is passed over.

    Raises:
        UserError: with both.
    """
    carried = identity.read(folder)
    found = identity.read_identity(splits, files=bool(carried and carried.files))
    if carried:
        identity.check(folder, carried, found)
        return
    theirs, ours = (read_map(Path(one) / identity.MAP) for one in (found.folder, folder))
    if found.item_map and theirs.items() - ours.items():
        raise UserError(f"{folder}: {found.told} has other items; give the data set that it was trained on")


def _check(folder, faults):
    if faults:
        raise UserError(f"{folder / faults[0]}; undo what was done to it, or {MADE_AGAIN}")


def with_items(config: Config, item_count) -> Config:
    """The configuration for so many rows of the item table."""
    return replace(config, hyper_parameters=replace(config.hyper_parameters, item_count=item_count))
