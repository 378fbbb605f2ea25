"""A checkpoint with good checksums that holds what cannot be gone on with ends in one line, and none is half taken."""

import json
import pickle
import shutil

import numpy as np
import pytest
from datasets import prepare_users

import trainer
from tools.common import checksums, unpickle

CONFIG = """
runner:
  train_data_dir: data/train
  valid_data_dir: data/valid
  test_data_dir: data/test
  train_batch_size: 64
  epochs: 1
  top_n: 10
  best_metric: recall@10
hyper_parameters:
  optimizer: {decay: cosine, decay_rate: 0.1}
  embedding_dim: 8
  maxlen: 8
  neg_samples: 20
  item_count: 61
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A data set, and a run of one epoch in `out`."""
    folder = tmp_path_factory.mktemp("project")
    prepare_users(folder)
    (folder / "config.yaml").write_text(CONFIG)
    trainer.main(["-m", str(folder / "config.yaml"), "-o", f"runner.model_save_path={folder / 'out'}"])
    return folder


def arrays(name, change):
    """Change what a file of parameters holds."""

    def harm(folder):
        state = unpickle.read(folder / name)
        (folder / name).write_bytes(pickle.dumps(change(state), 4))

    return harm


def each(change):
    return lambda state: {key: change(one) if isinstance(one, np.ndarray) else one for key, one in state.items()}


def one(value):
    def change(array):
        array = array.copy()
        array.flat[0] = value
        return array

    return each(change)


def state(**changed):
    def harm(folder):
        told = json.loads((folder / "state.json").read_text()) | changed
        (folder / "state.json").write_text(json.dumps({key: one for key, one in told.items() if one != "missing"}))

    return harm


def write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def history(content):
    def harm(folder):
        path = folder.parent / "history.csv"
        path.write_bytes(path.read_bytes() + content)

    return harm


REFUSED = {
    "nan": (arrays("rec.pdparams", one(np.nan)), "no finite number"),
    "infinity": (arrays("rec.pdparams", one(np.inf)), "no finite number"),
    "too large for float32": (arrays("rec.pdparams", each(lambda one: np.full(one.shape, 1e300))), "no finite number"),
    "whole numbers": (arrays("rec.pdparams", each(lambda one: one.astype("i4"))), "is of type int32"),
    "truths": (arrays("rec.pdparams", each(lambda one: one > 0)), "is of type bool"),
    "no rec.pdopt": (lambda folder: (folder / "rec.pdopt").unlink(), "no rec.pdopt here"),
    "an empty rec.pdopt": (arrays("rec.pdopt", lambda state: {}), "holds nothing that Adam keeps"),
    "half a rec.pdopt": (
        arrays("rec.pdopt", lambda state: {key: one for key, one in state.items() if "moment2" not in key}),
        "is missing",
    ),
    "nan in a moment": (arrays("rec.pdopt", one(np.nan)), "no finite number"),
    "a moment of another shape": (arrays("rec.pdopt", each(np.atleast_3d)), "and must be"),
    "a moment that is a text": (
        arrays("rec.pdopt", lambda state: state | {"item_table.weight_moment1_0": "a"}),
        "no array",
    ),
    "a rate of texts": (arrays("rec.pdopt", lambda state: state | {"LR_Scheduler": {"last_lr": "a"}}), "learning rate"),
    "a text for a step": (state(step="3"), "step is '3', and must be a whole number from 0 on"),
    "a fraction of an epoch": (state(epoch=0.5), "epoch is '0.5', and must be"),
    "evaluations below 0": (state(evaluated=-1), "evaluated is '-1', and must be"),
    "a truth": (state(evaluated=True), "evaluated is 'True', and must be"),
    "a list": (state(best=[1]), "best is '[1]', and must be a number or null"),
    "a batch below 0": (state(batch=-1), "batch is '-1', and must be"),
    "no step": (state(step="missing"), "step is 'missing', and must be"),
    "no state": (write("state.json", b"[]"), "epoch is 'missing', and must be"),
    "noise in the history": (history(b"noise\n1,2\n"), "remove the row"),
    "a tag of another's": (history(b"1,0,other/loss,1\n"), "remove the row"),
}  # fmt: skip
TAKEN = {
    "nothing": lambda folder: None,
    "float64": arrays("rec.pdparams", each(lambda one: one.astype(float))),
    "float16": arrays("rec.pdparams", each(lambda one: one.astype(np.float16))),
    "moments of float64": arrays("rec.pdopt", each(lambda one: one.astype(float))),
    "a history that a crash left NULs in": history(b"23,0,train/lo" + bytes(4096)),
    "a file named like a scratch folder": lambda folder: (folder.parent / ".0-abcdefgh").write_text("the user's"),
}


@pytest.fixture
def resume(project, tmp_path):
    """Harm the checkpoint of a copy of the run, and go on from it to a second epoch."""

    def run(harm):
        folder = shutil.copytree(project / "out", tmp_path / "out") / "0"
        shutil.rmtree(folder.parent / "best")
        harm(folder)
        checksums.write(folder)
        options = [f"runner.model_save_path={folder.parent}", "runner.resume=auto", "runner.keep_checkpoints=3"]
        options += ["hyper_parameters.optimizer.decay=cosine"]
        trainer.main(["-m", str(project / "config.yaml"), "-o", *options])
        return folder.parent

    return run


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_gone_on_with_is_told(name, resume, capsys):
    harm, told = REFUSED[name]
    with pytest.raises(SystemExit) as end:
        resume(harm)
    errors = [line for line in capsys.readouterr().err.splitlines() if " - INFO - " not in line]
    assert end.value.code == 2, errors
    assert [line for line in errors if line.startswith("error: ")] == errors[-1:]
    assert told in errors[-1]


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_plausible_is_taken(name, resume):
    folder = resume(TAKEN[name])
    assert (folder / "best/rec.pdparams").is_file() or (folder / "0").is_dir()
    if "scratch" in name:
        assert (folder / ".0-abcdefgh").read_text() == "the user's"
