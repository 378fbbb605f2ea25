"""The configuration of a run: what is given, held against the schema, the data set and the index."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tools.common.errors import UserError
from tools.common.files import shown
from tools.config.load import Config, check_config, keys, load_config
from tools.config.overrides import read_overrides
from tools.config.values import convert
from tools.data.dataset import absent, read_meta
from tools.retrieval.index import store

SAVED = ("rec.pdparams", "rec.pdopt", "state.json", "SHA256SUMS", "user_tower.json")  # what stands in a saved folder
READERS = ("runner.train_reader_path", "runner.infer_reader_path")


def load_settings(path, overrides=(), models=None) -> Config:
    """As `tools.config.load.load_config`, with the checks that need a data set or Faiss; all errors at once.

    Where the item table's size is left out it is the data set's.
    """
    checks = [index_errors]
    if models is not None:
        checks += [item_count_errors, partial(reader_errors, Path(path).parent, read_overrides(overrides or ()))]
    return with_item_count(load_config(path, overrides, models, checks))


def make_settings(values: Mapping[str, object], models) -> Config:
    """As `load_settings`, of keys given in Python by their last word, `{"embedding_dim": 32, "epochs": 5}`.

    Data folders are relative to the working folder.
    """
    full = {key.rpartition(".")[2]: key for key in keys()} | {"optimizer": "hyper_parameters.optimizer.class"}
    plainly = {name: plain(value) for name, value in values.items()}
    given = {full.get(name, name): (value, f"{name}={shown(repr(value))}") for name, value in plainly.items()}
    return with_item_count(check_config(given, Path("fit"), models, [index_errors, item_count_errors]))


def value_of(key, value) -> Any:
    """A value in the type of a key of the configuration; a `UserError` where it is none."""
    try:
        return convert(plain(value), keys()[key])
    except ValueError as error:
        raise UserError(f"{key}: {error}") from None


def plain(value):
    """A value as yaml would give it: NumPy's numbers and tuples are Python's own."""
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, Path) else value


def with_item_count(config: Config) -> Config:
    """The configuration, an item table without size as large as the data set's `meta.yaml` says."""
    hyper = config.hyper_parameters
    if hyper.item_count is not None:
        return config
    return replace(config, hyper_parameters=replace(hyper, item_count=_counted(config)))


def tell_rows(config: Config):
    """Warn of an item table that is larger than the data set's."""
    rows, counted = config.hyper_parameters.item_count, _counted(config)
    if rows and counted and rows > counted:
        told = "%d rows are of no item, and lists may hold them; leave the key out, and it is the data set's %d"
        logging.warning(f"hyper_parameters.item_count: {told}", rows - counted, counted)


def _counted(config) -> int | None:
    """What the data set says; infer.py may find no training split of it."""
    for split in (config.runner.train_data_dir, config.runner.test_data_dir):
        counted = read_meta(split).get("item_count")
        if type(counted) is int and counted >= 2:
            return counted
    return None


def index_errors(config: Config):
    """(keys, what is wrong with the first): an index that cannot be made, a search parameter that it has not."""
    for key, text in store(config.runner).errors(config.hyper_parameters.embedding_dim):
        yield (key, "hyper_parameters.embedding_dim"), text


def reader_errors(folder, given, config: Config):
    """(keys, what is wrong with the first): a reader of one's own in the yaml of a checkpoint or an export.

    Who tries a stranger's checkpoint would run a stranger's code.

    Args:
        folder: that the yaml is in.
        given: keys of `-o`, which name what they please.
        config: the configuration.
    """
    if not any((folder / name).exists() for name in SAVED):
        return
    for key in READERS:
        name = config.get(key)
        if name != "reader" and key not in given:
            told = shown(name)
            yield (key,), f"{told!r} is code, which a checkpoint may not name; where you trust it, add -o {key}={told}"


def item_count_errors(config: Config):
    """(keys, what is wrong with the first): an item table without size, where the data set doesn't say it either."""
    if config.hyper_parameters.item_count is not None or _counted(config) is not None:
        return
    train, key = Path(config.runner.train_data_dir), "hyper_parameters.item_count"
    if train.is_dir():
        told = f"missing, and {train.parent / 'meta.yaml'} doesn't say it; set it to the largest item id + 1"
        yield (key,), told
    else:
        yield ("runner.train_data_dir", key), absent(train)
