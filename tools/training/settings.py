"""The configuration of a run: the yaml, held against the schema, the data set and the index."""

from tools.common.files import shown
from tools.config.load import Config, load_config
from tools.data.dataset import read_meta
from tools.retrieval.index import store


def load_settings(path, overrides=(), models=None) -> Config:
    """As `tools.config.load.load_config`, with the checks that need a data set or Faiss; all errors at once."""
    checks = (index_errors,) if models is None else (index_errors, item_count_errors)
    return load_config(path, overrides, models, checks)


def index_errors(config: Config):
    """(keys, what is wrong with the first): an index that cannot be made, a search parameter that it has not."""
    for key, text in store(config.runner).errors(config.hyper_parameters.embedding_dim):
        yield (key, "hyper_parameters.embedding_dim"), text


def item_count_errors(config: Config):
    """(keys, what is wrong with the first): an item table without size, with the size that the data set has."""
    if config.hyper_parameters.item_count is None:
        counted = read_meta(config.runner.train_data_dir).get("item_count", "the largest item id + 1")
        yield ("hyper_parameters.item_count",), f"missing; set it to {shown(counted)}"
