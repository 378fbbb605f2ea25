"""The curves of a run: its history.csv, what loggers get of it, and what `tools.plot` draws of them."""

import re
import signal
import struct
import sys
from types import SimpleNamespace

import pytest

import trainer
from tools import plot
from tools.common.errors import UserError
from tools.training import history
from tools.training.resume import RunState
from tools.views import curves


@pytest.fixture
def write(tmp_path):
    """A history.csv with these rows."""

    def call(*rows, folder=tmp_path):
        folder.mkdir(exist_ok=True)
        (folder / history.NAME).write_text("".join(f"{row}\n" for row in ("step,epoch,tag,value", *rows)))
        return folder

    return call


@pytest.fixture
def config(tiny_config, tmp_path):
    options = ["runner.print_interval=3", "runner.top_n=5", "runner.best_metric=recall@5"]
    return ["-m", str(tiny_config), "-o", f"runner.model_save_path={tmp_path / 'output'}", *options]


def test_a_run_leaves_its_loss_learning_rate_and_metrics(config, tmp_path):
    trainer.main(config)
    rows = history.read(tmp_path / "output/history.csv")
    losses = [row for row in rows if row[2] == "train/loss"]
    assert [row[0] for row in losses] == [1, 4, 7, 9, 12, 15]  # 8 batches an epoch, every third from each one's first
    assert [row[1] for row in losses] == [0, 0, 0, 1, 1, 1]
    assert {row[3] for row in rows if row[2] == "train/learning_rate"} == {0.001}
    assert [row[:2] for row in rows if row[2] == "valid/recall@5"] == [(8, 0), (16, 1)]
    assert {row[2] for row in rows} >= {"valid/hitrate@5", "valid/ndcg@5", "valid/interest_similarity"}


def test_a_run_that_begins_anew_writes_a_new_file(config, tmp_path):
    trainer.main(config)
    first = (tmp_path / "output/history.csv").read_text()
    trainer.main([*config, "runner.overwrite=true"])
    assert (tmp_path / "output/history.csv").read_text() == first


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(write, settings):
    folder = write("4,0,train/loss,2.5", "4,0,valid/recall@5,0.25", "8,0,train/loss,2.25", "8,0,valid/recall@5,0.5")
    curves = history.History(settings(model_save_path=str(folder)), state=RunState(step=8, evaluated=4))
    curves.add(8, 0, "valid", {"recall@5": 0.75})
    curves.add(9, 1, "train", {"loss": 2.0})
    assert [row[:1] + row[2:] for row in history.read(folder / history.NAME)] == [
        (4, "train/loss", 2.5), (4, "valid/recall@5", 0.25), (8, "train/loss", 2.25), (8, "valid/recall@5", 0.75),
        (9, "train/loss", 2.0),
    ]  # fmt: skip


def test_a_last_row_that_was_cut_is_left_out(write):
    folder = write("4,0,train/loss,2.5")
    with open(folder / history.NAME, "a") as file:
        file.write("8,0,train/lo")
    assert history.read(folder / history.NAME) == [(4, 0, "train/loss", 2.5)]


@pytest.mark.parametrize("row", ["4,0,train/loss", "x,0,train/loss,1", "4,0,train/loss,much"])
def test_a_row_that_is_none_is_named(row, write):
    folder = write("4,0,train/loss,2.5", row)
    with pytest.raises(UserError, match=rf"history.csv:3: '{row}' is not step,epoch,tag,value; remove the row"):
        history.read(folder / history.NAME)


@pytest.mark.parametrize(
    "key, module, told",
    [
        ("runner.use_visual=true", "visualdl", "visualdl as a logger needs an extra; install it with: pip install"),
        ("runner.loggers=tensorboard", "tensorboardX", "pip install '.[tensorboard]'"),
        ("runner.loggers=mlflow", "mlflow", "pip install '.[mlflow]'"),
        ("runner.loggers=wandb", "wandb", "pip install '.[wandb]'"),
    ],
)  # fmt: skip
def test_loggers_are_extras(key, module, told, config, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit) as end:
        trainer.main([*config, key])
    assert end.value.code == 2
    assert told in capsys.readouterr().err


class Run:
    """A run of W&B, as far as it is used; it fails where the tag and step are those of `fails`."""

    def __init__(self, fails=None):
        self.fails, self.rows, self.ended = fails, [], []

    def init(self, **given):
        self.given = given
        return self

    def log(self, values, step):
        if (*values, step) == self.fails:
            raise OSError(28, "No space left on device")
        self.rows += [(step, tag, value) for tag, value in values.items()]

    def finish(self, exit_code):
        self.ended.append(exit_code)


def values_of(path, last=99):
    return [(step, tag, value) for step, _, tag, value in history.read(path) if step <= last]


def test_wandb_gets_what_history_has_and_a_resumed_run_all_of_it(config, tmp_path, monkeypatch):
    first, second = Run(), Run()
    monkeypatch.setitem(sys.modules, "wandb", first)
    trainer.main([*config, "runner.loggers=wandb", "runner.epochs=1"])
    written = values_of(tmp_path / "output/history.csv")
    assert first.rows == [(step, tag, pytest.approx(value)) for step, tag, value in written]
    assert first.given["config"]["hyper_parameters.embedding_dim"] == 4
    assert first.given["name"] == "output"
    assert first.ended == [0]
    monkeypatch.setitem(sys.modules, "wandb", second)
    trainer.main([*config, "runner.loggers=wandb", "runner.resume=auto"])
    found = values_of(tmp_path / "output/history.csv")
    assert second.rows == [(step, tag, pytest.approx(value)) for step, tag, value in found]
    assert len(found) > len(written)


def test_a_logger_that_fails_is_told_and_the_run_goes_on(config, tmp_path, monkeypatch, caplog):
    run = Run(fails=("train/loss", "train/learning_rate", 4))
    monkeypatch.setitem(sys.modules, "wandb", run)
    trainer.main([*config, "runner.loggers=wandb", "runner.epochs=1"])
    told = "wandb has nothing from step 4 on: OSError: [Errno 28] No space left on device; history.csv has all"
    assert [one.getMessage() for one in caplog.records if one.levelname == "WARNING"].count(told) == 2
    assert {step for step, *_ in run.rows} == {1}
    assert {step for step, *_ in values_of(tmp_path / "output/history.csv")} == {1, 4, 7, 8}
    assert (tmp_path / "output/best/rec.pdparams").is_file()


def test_a_logger_that_cannot_begin_ends_the_run_before_a_step(config, tmp_path, monkeypatch, capsys):
    run = Run()
    run.init = lambda **_: exec("raise PermissionError('no key; log in')")
    monkeypatch.setitem(sys.modules, "wandb", run)
    with pytest.raises(SystemExit) as end:
        trainer.main([*config, "runner.loggers=wandb"])
    assert end.value.code == 2
    assert "runner.loggers: wandb: PermissionError: no key; log in; mend or leave it out" in capsys.readouterr().err
    assert not (tmp_path / "output/history.csv").exists()


class Client:
    """A client of MLflow, as far as it is used."""

    def __init__(self, uri):
        Client.made, self.uri, self.rows, self.params, self.ended = self, uri, [], {}, None

    def get_experiment_by_name(self, name):
        return None

    def create_experiment(self, name):
        return f"number of {name}"

    def create_run(self, number, run_name):
        assert (number, run_name) == ("number of multi_interest", "output")
        return SimpleNamespace(info=SimpleNamespace(run_id="r"))

    def log_batch(self, run, metrics=(), params=()):
        assert run == "r"
        self.rows += [(step, key, value) for key, value, _, step in metrics]
        self.params |= dict(params)

    def set_terminated(self, run, status):
        self.ended = status


def test_mlflow_gets_names_that_it_takes(config, tmp_path, monkeypatch):
    entities = SimpleNamespace(Param=lambda *one: one, Metric=lambda *one: one)
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=Client))
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    trainer.main([*config, "runner.loggers=mlflow", "runner.epochs=1"])
    rows = values_of(tmp_path / "output/history.csv")
    assert Client.made.rows == [(step, tag.replace("@", "_at_"), pytest.approx(value)) for step, tag, value in rows]
    assert Client.made.uri == (tmp_path / "output/mlruns").as_uri()
    assert Client.made.params["runner.epochs"] == "1"
    assert Client.made.ended == "FINISHED"


@pytest.mark.extras
def test_visualdl_and_tensorboard_get_every_value(config, tmp_path):
    from tensorboardX.proto.event_pb2 import Event
    from visualdl import LogReader

    trainer.main([*config, "runner.use_visual=true", "runner.loggers=tensorboard"])
    (log,) = (tmp_path / "output/visual").iterdir()
    reader = LogReader(file_path=str(log))
    rows = history.read(tmp_path / "output/history.csv")
    for tag in ("train/loss", "valid/recall@5"):
        written = [(record.id, record.value) for record in reader.get_data("scalar", tag)]
        assert written == [(row[0], pytest.approx(row[3])) for row in rows if row[2] == tag]
    (log,) = (tmp_path / "output/tensorboard").iterdir()
    data, found = log.read_bytes(), []
    while data:
        (size,) = struct.unpack("<Q", data[:8])
        event, data = Event.FromString(data[12 : 12 + size]), data[16 + size :]
        found += [(event.step, one.tag, one.simple_value) for one in event.summary.value]
    assert found == [(row[0], row[2], pytest.approx(row[3])) for row in rows]
    trainer.main([*config, "runner.loggers=tensorboard", "runner.overwrite=true"])
    assert [one.name for one in (tmp_path / "output/tensorboard").iterdir()] != [log.name]
    assert not list((tmp_path / "output").glob("visual/*"))


@pytest.mark.extras
@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size")
@pytest.mark.parametrize("name", ["visualdl", "tensorboard"])
def test_a_full_disk_neither_stops_nor_goes_unseen(name, settings, tmp_path, caplog):
    import resource

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    curves = history.History(settings(model_save_path=str(tmp_path), loggers=[name]), state=RunState())
    try:
        with curves:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
            for step in range(1, 100):
                curves.loggers.add(step, {"train/loss": 1.0})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert re.match(rf"{name} has nothing from step \d+ on: OSError: .*; history.csv has all", caplog.messages[-1])


@pytest.mark.extras
@pytest.mark.parametrize("suffix, start", [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_curves_of_two_runs_are_drawn(suffix, start, write, tmp_path):
    rows = ["1,0,train/loss,2.5", "2,0,train/loss,2", "2,0,valid/recall@5,0.25", "2,0,valid/hitrate@5,0.5"]
    folders = [str(write(*rows, "2,0,valid/ndcg@5,0.5", folder=tmp_path / name)) for name in ("one", "other")]
    plot.main([*folders, "--output", str(tmp_path / f"curves.{suffix}")])
    drawn = (tmp_path / f"curves.{suffix}").read_bytes()
    assert drawn.startswith(start)
    if suffix == "svg":
        assert all(word in drawn.decode() for word in ("train/loss", "valid/recall@5", "one", "other", "50 %", "25 %"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nowhere"], "nowhere: no history.csv here; give the runner.model_save_path of a training run"),
        (["run", "--metrics", "recal@5"], "'recal@5' is not one of recall@5; did you mean recall@5?"),
        (["run", "--output", "a.pdf"], "--output: a.pdf ends neither in .svg nor in .png; name it so"),
    ],
)
def test_wrong_arguments_of_plot_are_named(arguments, message, write, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write("1,0,train/loss,2.5", "2,0,valid/recall@5,0.25", folder=tmp_path / "run")
    with pytest.raises(SystemExit) as end:
        plot.main(arguments)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_the_loss_is_drawn_as_a_trailing_mean():
    values = list(range(30))
    mean = curves.trailing_mean(values)
    assert mean[0] == 0
    assert mean[9] == pytest.approx(4.5)
    assert mean[-1] == pytest.approx(sum(values[10:]) / 20)
