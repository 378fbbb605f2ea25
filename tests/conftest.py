import logging
import math
import re
import signal
import sys
from dataclasses import fields
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tools.common import progress
from tools.config.load import Config
from tools.config.schema import HyperParameters, Runner
from tools.preprocess import main

pytest.register_assert_rewrite("messages", "naive", "pages", "properties", "towers")  # helpers that assert
pytest_plugins = ["skip_list"]


def plain(name):
    return name.lower().replace("_", "-")


def pinned(group):
    lines = (Path(__file__).parents[1] / f"requirements/{group}.txt").read_text(encoding="utf-8").splitlines()
    return {plain(re.split(r"[=\[; ]", line)[0]) for line in lines if line[:1].isalnum()}


def pytest_configure(config):
    """The core suite finds no optional package, as on a clean checkout, whether or not it is installed.

    In the background of a shell we are deaf to Ctrl-C, and so were the commands that tests interrupt.
    """
    if config.option.markexpr.startswith("not extras"):
        optional = pinned("extras") - pinned("dev")
        found = packages_distributions().items()
        sys.modules.update({module: None for module, owners in found if {plain(name) for name in owners} <= optional})
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def remember_translations():
    """Let Paddle translate a method's source once. Its cache holds bound methods weakly, so it does so for each
    object and call, which took a fifth of the time of training's and serving's tests.

    Paddle is imported here, not above: it sets up logging where pytest has not yet done so.
    """
    from paddle.jit.dy2static import convert_call_func
    from paddle.jit.dy2static.program_translator import FunctionCache

    FunctionCache._convert = once_a_function(FunctionCache._convert)
    convert_call_func.is_unsupported = once_a_function(convert_call_func.is_unsupported)


def once_a_function(compute):
    made = {}

    def remembered(*arguments):
        *before, given = arguments
        function = getattr(given, "__func__", given)
        if not hasattr(function, "__code__"):  # an object, which would be kept alive
            return compute(*arguments)
        if function not in made:
            made[function] = compute(*before, function)
        return made[function]

    return remembered


def pytest_collection_modifyitems(items):
    """Slow tests first: a worker that begins one last leaves the others with nothing to do."""
    remember_translations()
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True)
def _alike(monkeypatch):
    """A test begins as if it were alone, and a command says on a slow machine what it says on a fast one."""
    monkeypatch.setattr(progress.stage.__wrapped__, "__defaults__", (math.inf,))  # else a slow stage is told
    disabled = logging.root.manager.disable
    yield
    logging.disable(disabled)  # benchmarks turn it off for good


@pytest.fixture
def write_dataset(tmp_path, capsys):
    """`write_dataset({"user": ["item", …]}, "--protocol", "mind")`: a prepared folder; nothing is filtered out."""

    def write(sequences, *options):
        source = tmp_path / "log.txt"
        source.write_text("".join(f"{user} {' '.join(items)}\n" for user, items in sequences.items()), encoding="utf-8")
        main(["sequences", str(source), "--output", str(tmp_path / "data"), "--min-count", "1", *options])
        capsys.readouterr()
        return tmp_path / "data"

    return write


@pytest.fixture
def settings():
    """`settings(folder, maxlen=5, seed=1)`: a configuration, its splits in the folder where one is given."""

    def build(folder=None, **values):
        if folder is not None:
            values |= {f"{split}_data_dir": str(folder / split) for split in ("train", "valid", "test")}
        names = {entry.name for entry in fields(Runner)}
        runner = {key: values.pop(key) for key in list(values) if key in names}
        return Config(Runner(**runner), HyperParameters(**values))

    return build


@pytest.fixture
def tiny_config(write_dataset, tmp_path):
    """A yaml file for 20 users with 20 items each: 8 batches of 32 an epoch."""
    folder = write_dataset({f"u{user}": [str(item) for item in range(20)] for user in range(20)})
    path = tmp_path / "config.yaml"
    path.write_text(
        f"""
runner:
  train_data_dir: {folder}/train
  valid_data_dir: {folder}/valid
  test_data_dir: {folder}/test
  train_batch_size: 32
  epochs: 2
hyper_parameters: {{item_count: 21, embedding_dim: 4, maxlen: 5, neg_samples: 10}}
"""
    )
    return path
