"""A run that ends early and is resumed is the run that did not; what is damaged on the way is skipped."""

import json
import logging
import os
import pickle
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import lives
import numpy as np
import paddle
import pytest
from datasets import prepare_users
from paths import ROOT
from registry import gradient_models

import infer
import trainer
from models import MODELS
from tools.common import checksums, errors, unpickle
from tools.common.errors import UserError
from tools.training import checkpoint, interrupt, resume, runtime
from tools.training.settings import load_settings

pytestmark = pytest.mark.slow

# Draws in the loss, the routing and the dropout, a learning rate that falls, moments, checkpoints within epochs.
CONFIG = """
runner:
  train_data_dir: data/train
  valid_data_dir: data/valid
  test_data_dir: data/test
  train_batch_size: 64
  epochs: 3
  eval_interval: 10
  save_interval: 4
  top_n: 10
  best_metric: recall@10
hyper_parameters:
  embedding_dim: 8
  maxlen: 8
  neg_samples: 20
  dropout: 0.2
  optimizer: {learning_rate: 0.02, decay: cosine}
"""
BATCHES = 23  # an epoch: 92 users with 16 positions each


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A data set of 115 users with 20 items each, and its configuration."""
    folder = tmp_path_factory.mktemp("project")
    prepare_users(folder)
    (folder / "config.yaml").write_text(f"{CONFIG}  item_count: 61\n")
    return folder


def train(project, output, *options):
    trainer.main(["-m", str(project / "config.yaml"), "-o", f"runner.model_save_path={output}", *options])


def state_of(folder):
    return json.loads((folder / "state.json").read_text())


def arrays_of(folder):
    """Every array of a checkpoint, and the learning rate's state."""
    state = unpickle.read(folder / "rec.pdparams") | unpickle.read(folder / "rec.pdopt")
    rate = state.pop("LR_Scheduler")
    return state | {f"rate {name}": value for name, value in rate.items()}


def assert_same(one, other, names=("2", "best")):
    """Two runs ended with the same parameters, moments, learning rate and best step, to the bit."""
    assert (one / "history.csv").read_text() == (other / "history.csv").read_text()
    for name in names:
        expected, found = arrays_of(one / name), arrays_of(other / name)
        assert expected.keys() == found.keys()
        assert all(np.array_equal(expected[key], found[key]) for key in expected), name
        states = [{**state_of(folder / name), "written": 0} for folder in (one, other)]
        assert states[0] == states[1]


@pytest.fixture(scope="module")
def whole(project, tmp_path_factory):
    """The folder of a run that nobody disturbed; `whole("runner.graph=static")` has other options."""
    runs = {}

    def run(*options):
        if options not in runs:
            runs[options] = tmp_path_factory.mktemp("whole")
            train(project, runs[options], *options)
        return runs[options]

    return run


def interrupted(project, output, step, number, monkeypatch, *options, during="train_step"):
    """Train until a signal comes in the middle of a step or an evaluation."""
    original = getattr(trainer.Trainer, during)

    def disturbed(self, *args):
        if self.state.step == step:
            os.kill(os.getpid(), number)
        return original(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, during, disturbed)
        with pytest.raises(SystemExit) as end:
            train(project, output, *options)
    assert end.value.code == 128 + number


@pytest.mark.parametrize(
    "step, number, options",
    [
        (0, signal.SIGINT, ()),
        (9, signal.SIGTERM, ()),  # an evaluation is due
        (BATCHES - 1, signal.SIGINT, ()),  # the last of an epoch
        (3 * BATCHES - 1, signal.SIGTERM, ()),  # the last of all
        (31, signal.SIGTERM, ("runner.graph=static",)),
        (31, signal.SIGINT, ("runner.num_workers=2",)),
        (31, signal.SIGTERM, ("hyper_parameters.negatives=full",)),
    ],
)
def test_a_signal_ends_the_step_and_the_resumed_run_is_the_whole_one(
    step, number, options, project, whole, tmp_path, monkeypatch, caplog
):
    caplog.set_level(logging.INFO)
    interrupted(project, tmp_path, step, number, monkeypatch, *options)
    assert f"{number.name}: the run is saved; continue with: python trainer.py -m " in caplog.text
    assert caplog.text.rstrip().endswith("-o runner.resume=auto")
    assert state_of(resume.newest(tmp_path))["step"] == step + 1
    train(project, tmp_path, *options, "runner.resume=auto")
    assert f"resumed from {tmp_path}" in caplog.text
    assert_same(whole(*options), tmp_path)


@gradient_models
def test_each_model_s_resumed_run_is_the_whole_one(name, project, tmp_path, monkeypatch):
    options = (f"hyper_parameters.model={name}", "runner.epochs=1")
    train(project, tmp_path / "whole", *options)
    interrupted(project, tmp_path / "cut", 11, signal.SIGTERM, monkeypatch, *options)
    train(project, tmp_path / "cut", *options, "runner.resume=auto")
    assert_same(tmp_path / "whole", tmp_path / "cut", names=("0", "best"))


@pytest.fixture
def rank(monkeypatch):
    """This process is one of the launcher's, and has its own handlers again after the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)}
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_launchers_later_signals_do_not_end_what_is_ending(rank):
    """It sends SIGTERM three times; the second came on a slow machine when the run was saved and had not said so."""
    with interrupt.Interrupt():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


def test_the_launchers_signals_do_not_end_a_rank_that_tells_its_error(rank):
    """They come as soon as another rank has ended with the same error."""
    with pytest.raises(ArithmeticError), interrupt.Interrupt():
        raise ArithmeticError
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


def test_nor_one_whose_error_comes_before_training(rank):
    @errors.command
    def main():
        raise UserError("another catalogue")

    with pytest.raises(SystemExit):
        main()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


def test_a_signal_before_the_first_step_saves_nothing(project, whole, tmp_path, monkeypatch):
    interrupted(project, tmp_path, 0, signal.SIGTERM, monkeypatch, during="train_epoch")
    assert not list(tmp_path.iterdir())
    train(project, tmp_path, "runner.resume=auto")
    assert_same(whole(), tmp_path)


@pytest.mark.parametrize("step", [20, 3 * BATCHES])
def test_a_signal_in_an_evaluation_leaves_the_evaluation_to_the_resumed_run(
    step, project, whole, tmp_path, monkeypatch
):
    interrupted(project, tmp_path, step, signal.SIGTERM, monkeypatch, during="evaluate")
    assert state_of(resume.newest(tmp_path))["evaluated"] < step
    train(project, tmp_path, "runner.resume=auto")
    assert_same(whole(), tmp_path)


def test_a_finished_run_is_not_trained_again(project, whole, tmp_path, caplog):
    output = shutil.copytree(whole(), tmp_path / "run")
    caplog.clear()  # the whole run may have been trained just now
    train(project, output, "runner.resume=auto")
    assert "batch_id" not in caplog.text
    assert_same(whole(), output)


def test_more_epochs_are_added_to_a_finished_run(project, tmp_path):
    fixed = ["hyper_parameters.optimizer.decay=none"]  # a rate that falls over the run depends on its length
    train(project, tmp_path / "at once", *fixed)
    train(project, tmp_path / "in two", *fixed, "runner.epochs=1")
    train(project, tmp_path / "in two", *fixed, "runner.resume=auto")
    one, other = (unpickle.read(tmp_path / name / "2" / "rec.pdparams") for name in ("at once", "in two"))
    assert all(np.array_equal(one[key], other[key]) for key in one)


def test_resume_without_a_checkpoint_begins(project, whole, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    train(project, tmp_path, "runner.resume=auto")
    assert "no checkpoint to resume from; training starts from the beginning" in caplog.text
    assert_same(whole(), tmp_path)


def test_early_stopping_counts_on_after_an_interruption(project, tmp_path, monkeypatch):
    options = ["runner.early_stop=3", "runner.epochs=50", "hyper_parameters.optimizer.learning_rate=0.0"]
    train(project, tmp_path / "at once", *options)
    interrupted(project, tmp_path / "in two", 25, signal.SIGINT, monkeypatch, *options)
    train(project, tmp_path / "in two", *options, "runner.resume=auto")
    newest = [state_of(resume.newest(tmp_path / name))["step"] for name in ("at once", "in two")]
    assert newest[0] == newest[1] == 36  # evaluated at 10, 20, 30 and 40, no better after the first


DAMAGE = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "changed": lambda path: path.write_bytes(path.read_bytes()[:-9] + b"!" + path.read_bytes()[-8:]),
}
FILES = ("rec.pdparams", "rec.pdopt", "config.yaml", "state.json", "SHA256SUMS")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_passed_over(name, damage, whole, tmp_path, caplog):
    output = shutil.copytree(whole(), tmp_path / "run")
    newest = resume.newest(output)
    DAMAGE[damage](newest / name)
    before = resume.newest(output)
    assert newest.name == "2"
    assert before.name == "step-68"
    assert f"{newest} is damaged and skipped: {name}" in caplog.text


def test_what_was_lost_with_a_damaged_checkpoint_is_trained_again(project, whole, tmp_path, caplog):
    output = shutil.copytree(whole(), tmp_path / "run")
    for name in ("2", "best", "step-68"):
        DAMAGE["cut"](output / name / "rec.pdopt")
    train(project, output, "runner.resume=auto")
    assert "best: missing or damaged; the next evaluation counts as the best" in caplog.text
    expected, found = arrays_of(whole() / "2"), arrays_of(output / "2")
    assert all(np.array_equal(expected[key], found[key]) for key in expected)


@pytest.mark.parametrize(
    "command",
    [infer.main, lambda args: trainer.main([*args, "runner.model_init_path=run/best", "runner.overwrite=true"])],
)
def test_a_damaged_checkpoint_is_not_loaded(command, project, whole, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(whole(), "run")
    DAMAGE["changed"](Path("run/best/rec.pdparams"))
    with pytest.raises(SystemExit) as end:
        command(["-m", str(project / "config.yaml"), "-o", "runner.model_save_path=run"])
    assert end.value.code == 2
    assert "run/best: damaged, rec.pdparams: differs from its checksum" in capsys.readouterr().err


@pytest.mark.parametrize("keep, left", [(0, 20), (1, 1), (3, 3)])
def test_the_newest_checkpoints_are_kept_and_always_the_best(keep, left, project, tmp_path):
    train(project, tmp_path, f"runner.keep_checkpoints={keep}")
    names = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert {"best", "2"} <= names
    assert len(names) == left + 1
    if keep == 3:
        assert names == {"best", "step-64", "step-68", "2"}


def test_other_settings_than_those_of_the_run_are_named_with_both_values(project, whole, capsys):
    changed = {
        "runner.seed": (12345, 1), "runner.train_batch_size": (64, 32), "runner.epochs": (3, 4),
        "hyper_parameters.item_count": (61, 70), "hyper_parameters.maxlen": (8, 9),
        "hyper_parameters.interest_num": (4, 2), "hyper_parameters.model": ("mind", "comirec_sa"),
        "hyper_parameters.neg_samples": (20, 30), "hyper_parameters.optimizer.learning_rate": (0.02, 0.01),
    }  # fmt: skip
    with pytest.raises(SystemExit) as end:
        train(project, whole(), "runner.resume=auto", *(f"{key}={now}" for key, (_, now) in changed.items()))
    assert end.value.code == 2
    error = capsys.readouterr().err
    for key, (then, now) in changed.items():
        assert f"trained with {key}: {then}, the configuration has {now}" in error


def test_a_smaller_catalogue_is_named_before_the_data_that_does_not_fit_it(project, whole, capsys):
    with pytest.raises(SystemExit):
        train(project, whole(), "runner.resume=auto", "hyper_parameters.item_count=30")
    assert "trained with hyper_parameters.item_count: 61, the configuration has 30" in capsys.readouterr().err


def test_other_data_is_noticed(project, whole, tmp_path, capsys):
    folder = shutil.copytree(project / "data", tmp_path / "data")
    rows = (folder / "train/interactions.csv").read_text().splitlines(keepends=True)
    (folder / "train/interactions.csv").write_text("".join(rows[:1000]))
    with pytest.raises(SystemExit):
        train(project, whole(), "runner.resume=auto", f"runner.train_data_dir={folder / 'train'}")
    assert f"trained with {BATCHES} batches an epoch, {folder / 'train'} gives 13" in capsys.readouterr().err


def test_what_a_killed_run_left_half_written_is_put_right(tmp_path):
    for name in (
        ".3.tmp-abcdefgh",
        ".best.tmp-abcdefgh",
        ".best.old-abcdefgh",
        "4",
        ".4.old-abcdefgh",
        ".export.tmp-abcdefgh",  # the lock of another command's
        ".3-abcdefgh",  # somebody's
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "from").write_text(name)
    resume.recover(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"best", "4", ".export.tmp-abcdefgh", ".3-abcdefgh"}
    assert (tmp_path / "best/from").read_text() == ".best.old-abcdefgh"
    assert (tmp_path / "4/from").read_text() == "4"


def test_a_loss_that_is_no_number_stops_the_run_before_the_update(project, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        train(project, tmp_path, "hyper_parameters.optimizer.learning_rate=1e30")
    assert end.value.code == 2
    message = (
        r"the loss is nan at epoch 0, batch 1, step 1, learning rate \S+e\+29; lower the optimizer's learning_rate"
    )
    assert re.search(message, capsys.readouterr().err)
    loss = reproduce(project, tmp_path / "failed")
    assert not np.isfinite(float(loss))


def reproduce(project, folder):
    """The loss of the step that failed, from its folder alone."""
    settings, state = load_settings(folder / "config.yaml", models=MODELS), state_of(folder)
    model = trainer.GRAPHS["dynamic"]().create_model(settings)
    checkpoint.load(folder, model, settings)
    with np.load(folder / "batch.npz") as arrays:
        batch = [paddle.to_tensor(array) for array in arrays.values()]
    runtime.seed_step(settings.runner.seed, state["step"])
    return model.loss(*batch)


@pytest.mark.parametrize("table", [True, False])
def test_a_gradient_that_is_no_number_stops_the_run(table, project, tmp_path, monkeypatch, capsys):
    """The loss stays a number: sqrt(0) has an infinite slope."""
    original = trainer.GRAPHS["dynamic"].train_forward

    def with_a_root(self, model, batch):
        own = model.item_table(paddle.to_tensor([[3]])) if table else model.extractor.linear.weight
        return original(self, model, batch) + (paddle.sqrt(0.0 * own).sum() if run_of.state.step == 26 else 0.0)

    monkeypatch.setattr(trainer.GRAPHS["dynamic"], "train_forward", with_a_root)
    options = [f"runner.model_save_path={tmp_path}"]
    run_of = trainer.Trainer(load_settings(project / "config.yaml", options, MODELS))
    with pytest.raises(UserError, match=r"the gradient of \S+weight sums to nan at epoch 1, batch 3, step 26"):
        run_of.train()
    assert state_of(resume.newest(tmp_path))["step"] == 24  # the last good one
    assert state_of(tmp_path / "failed")["step"] == 26
    assert all(np.isfinite(value).all() for value in unpickle.read(tmp_path / "failed/rec.pdparams").values())


class Crafted:
    """Pickled as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "function, args",
    [(os.system, ("touch executed",)), (eval, ("open('executed', 'w')",)), (getattr, (np.ndarray, "tofile"))],
)
@pytest.mark.parametrize("name", ["rec.pdparams", "rec.pdopt"])
def test_a_crafted_pickle_is_refused_and_not_executed(
    name, function, args, project, whole, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(whole() / "best", "best")
    Path(folder, name).write_bytes(pickle.dumps({"item_table.weight": Crafted(function, *args)}))
    checksums.write(folder)
    with pytest.raises(SystemExit) as end:
        train(project, tmp_path / "out", "runner.model_init_path=best")
    assert end.value.code == 2
    assert f"best/{name}: not parameters as Paddle saves them (it names " in capsys.readouterr().err
    assert not Path("executed").exists()


@pytest.mark.parametrize("content", [b"", b"\x80", b"noise" * 99, pickle.dumps([1]), pickle.dumps({"a": 1}), None])
def test_parameters_that_are_none_are_refused(content, whole, tmp_path):
    folder = shutil.copytree(whole() / "best", tmp_path / "best")
    saved = (folder / "rec.pdparams").read_bytes()
    (folder / "rec.pdparams").write_bytes(saved[: len(saved) // 2] if content is None else content)
    (folder / "SHA256SUMS").unlink()  # as in a checkpoint of PaddleRec's
    settings = load_settings(folder / "config.yaml", models=MODELS)
    with pytest.raises(UserError, match=r"rec\.pdparams: (not parameters|holds a list|\S+ is None, MIND has)"):
        checkpoint.load(folder, trainer.GRAPHS["dynamic"]().create_model(settings), settings)


def test_parameters_of_another_shape_are_refused(whole, tmp_path):
    folder = shutil.copytree(whole() / "best", tmp_path / "best")
    for name in ("config.yaml", "SHA256SUMS"):
        (folder / name).unlink()
    settings = load_settings(whole() / "best/config.yaml", ["hyper_parameters.item_count=99"], MODELS)
    with pytest.raises(UserError, match=r"item_table.weight is \[61, 8\], MIND has \[99, 8\]"):
        checkpoint.load(folder, trainer.GRAPHS["dynamic"]().create_model(settings), settings)


def test_a_full_disk_is_named_and_leaves_the_last_checkpoint_whole(project, tmp_path):
    """A limit on the size of files stands for the disk: it lets the small ones be written and the parameters not."""
    command = [sys.executable, "trainer.py", "-m", str(project / "config.yaml")]
    command += ["-o", f"runner.model_save_path={tmp_path}"]
    options = {"cwd": ROOT, "capture_output": True, "text": True, "check": False}
    first = subprocess.run([*command, "runner.epochs=1", "hyper_parameters.optimizer.decay=none"], **options)
    assert first.returncode == 0
    before = {path.name for path in tmp_path.iterdir()}
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))  # noqa: E731
    second = subprocess.run(
        [*command, "runner.resume=auto", "hyper_parameters.optimizer.decay=none"], preexec_fn=limit, **options
    )
    assert second.returncode == 2, second.stderr
    assert f"error: {tmp_path}/step-24: cannot be written (File too large); check space and rights" in second.stderr
    assert "Traceback" not in second.stderr
    assert {path.name for path in tmp_path.iterdir()} == before
    assert not checksums.faults(tmp_path / "0")


def command(project, output, *options):
    settings = [f"runner.model_save_path={output}", "runner.resume=auto", *options]
    return ["-m", str(project / "config.yaml"), "-o", *settings]


@pytest.mark.extras
def test_a_run_killed_at_random_times_is_the_whole_run(project, tmp_path):
    """At least 20 kills within training, most of which hits the writing of checkpoints at some point."""
    options = ["runner.epochs=40", "runner.keep_checkpoints=3", "runner.early_stop=0"]
    train(project, tmp_path / "whole", *options, "runner.save_interval=0")
    options.append("runner.save_interval=2")
    clock, kills, said = random.Random(0), 0, tmp_path / "said.txt"
    while True:
        said.write_text("")
        process = lives.begin(command(project, tmp_path / "killed", *options), said)
        while process.is_alive() and not re.search("no checkpoint to resume from|resumed from", said.read_text()):
            time.sleep(0.01)
        # The first lives are short, so that there are many; later ones get on.
        process.join(clock.uniform(0, 0.2 if kills < 20 else 5))
        process.kill()
        process.join()
        assert "Traceback" not in said.read_text()
        if process.exitcode == 0:
            break
        assert process.exitcode == -9, said.read_text()
        kills += 1
    assert kills >= 20
    for name in ("39", "best"):
        assert_same(tmp_path / "whole", tmp_path / "killed", names=(name,))


@pytest.mark.extras
# Of the calls of this run 1 to 17 write the first best/, 18 to 34 an epoch, 35 to 52 replace the best/.
@pytest.mark.parametrize("first", [2, 5, 7, 14, 15, 17, 19, 22, 30, *range(35, 54)])
def test_a_run_killed_while_it_writes_is_the_whole_run(first, project, whole, tmp_path):
    """Killed with half of a new checkpoint, and with none in the place of one that is replaced."""
    options = ["runner.save_interval=0", "runner.eval_interval=8"]
    process = lives.begin(command(project, tmp_path, *options), tmp_path / "said.txt", killed_at=first)
    process.join()
    assert process.exitcode == -9, (tmp_path / "said.txt").read_text()
    train(project, tmp_path, *options, "runner.resume=auto")
    assert_same(whole(*options), tmp_path)
    assert not [path for path in tmp_path.iterdir() if re.match(r"\.", path.name)]
    assert resume.newest(tmp_path).name == "2"


@pytest.mark.extras
@pytest.mark.parametrize("number, group", [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGTERM, False)])
def test_a_signal_ends_a_run_with_reader_processes(number, group, project, tmp_path):
    """A terminal sends Ctrl-C to all processes of the command, `kill` to one."""
    arguments = command(project, tmp_path, "runner.num_workers=2", "runner.epochs=1000", "runner.save_interval=0")
    with subprocess.Popen(
        [sys.executable, "trainer.py", *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        next(line for line in process.stderr if "epoch: 1, batch_id: 0" in line)
        (os.killpg if group else os.kill)(process.pid, number)
        rest = process.stderr.read()
    assert process.returncode == 128 + number, rest
    assert "Traceback" not in rest
    assert f"{number.name}: the run is saved; continue with: python trainer.py" in rest
    assert resume.newest(tmp_path).name not in ("0", "best")
