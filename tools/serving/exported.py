"""The folder that `tools.export` writes, as `tools.predict` and `tools.add_items` must find it: whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tools.common import checksums
from tools.common.errors import UserError
from tools.common.files import map_array
from tools.config.load import Config
from tools.config.overrides import read_yaml
from tools.training import agreement
from tools.training.settings import load_settings

CONFIG, TRAINED = "config.yaml", "trained.yaml"  # of the export, and what its model was trained with
NEEDED = (CONFIG, TRAINED, "user_tower.json", "user_tower.pdiparams", "item_vectors.npy")
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
    for name in NEEDED:
        if not (folder / name).is_file():
            raise UserError(f"{folder}: no {name} here; make it with: {AGAIN}")
    faults = checksums.faults(folder)
    _check(folder, [one for one in faults if not one.startswith(f"{CONFIG}:")])
    config, trained = (load_settings(folder / name) for name in (CONFIG, TRAINED))
    if read_yaml(folder / CONFIG).keys() >= read_yaml(folder / TRAINED).keys():
        # It was edited and not cut: what differs from training helps more than that something does.
        items = len(np.atleast_1d(map_array(folder / "item_vectors.npy", MADE_AGAIN)))
        agreement.check(folder / CONFIG, with_items(trained, items), config)
    _check(folder, faults)
    return config, trained


def _check(folder, faults):
    if faults:
        raise UserError(f"{folder / faults[0]}; undo what was done to it, or {MADE_AGAIN}")


def with_items(config: Config, item_count) -> Config:
    """The configuration for so many rows of the item table."""
    return replace(config, hyper_parameters=replace(config.hyper_parameters, item_count=item_count))
