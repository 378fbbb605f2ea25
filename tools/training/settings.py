"""The configuration of a run: the yaml, held against the schema, the data set and the index."""

from functools import partial
from pathlib import Path

from tools.common.files import shown
from tools.config.load import Config, load_config
from tools.config.overrides import read_overrides
from tools.data.dataset import read_meta
from tools.retrieval.index import store

SAVED = ("rec.pdparams", "rec.pdopt", "state.json", "SHA256SUMS", "user_tower.json")  # what stands in a saved folder
READERS = ("runner.train_reader_path", "runner.infer_reader_path")


def load_settings(path, overrides=(), models=None) -> Config:
    """As `tools.config.load.load_config`, with the checks that need a data set or Faiss; all errors at once."""
    checks = [index_errors]
    if models is not None:
        checks += [item_count_errors, partial(reader_errors, Path(path).parent, read_overrides(overrides or ()))]
    return load_config(path, overrides, models, checks)


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
    """(keys, what is wrong with the first): an item table without size, with the size that the data set has."""
    if config.hyper_parameters.item_count is None:
        counted = read_meta(config.runner.train_data_dir).get("item_count", "the largest item id + 1")
        yield ("hyper_parameters.item_count",), f"missing; set it to {shown(counted)}"
