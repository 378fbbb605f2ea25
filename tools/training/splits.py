"""The readers of a run's splits."""

from dataclasses import replace
from importlib import import_module

from models import MODELS
from tools.common.errors import UserError
from tools.common.files import shown
from tools.data.dataset import data_files
from tools.training.settings import tell_rows

OWN, OURS = "reader", __name__.removesuffix("tools.training.splits")  # "" in a checkout, "multi_interest." installed
READERS = {"train": "RecDataset", "valid": "InferDataset", "test": "InferDataset"}


def open_split(name, config):
    """The reader of a split, `train`, `valid` or `test`, from the module and the folder in the configuration."""
    runner = config.runner
    if name == "train":
        tell_rows(config)
    module = runner.train_reader_path if name == "train" else runner.infer_reader_path
    try:
        if not all(part.isidentifier() for part in module.split(".")):
            raise ImportError("not the name of a module")
        reader = getattr(import_module(OURS + OWN if module == OWN else module), READERS[name])
    except (ImportError, AttributeError) as error:
        fix = f"give a module with the class {READERS[name]}"
        raise UserError(f"reader {shown(module)!r}: {shown(error, 200)}; {fix}") from None
    if hasattr(MODELS[config.hyper_parameters.model], "fit"):  # a fit draws no positions: users of two items count
        config = replace(config, hyper_parameters=replace(config.hyper_parameters, min_history=1))
    return reader(data_files(getattr(runner, f"{name}_data_dir")), config)
