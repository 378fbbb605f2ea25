"""The curves of a run: its history.csv, VisualDL's log, and what `tools.plot` draws of them."""

import resource
import sys

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


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(write):
    folder = write("4,0,train/loss,2.5", "4,0,valid/recall@5,0.25", "8,0,train/loss,2.25", "8,0,valid/recall@5,0.5")
    curves = history.History(folder=folder, state=RunState(step=8, evaluated=4), visual=False)
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


def test_visualdl_is_an_extra(config, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "visualdl", None)
    with pytest.raises(SystemExit) as end:
        trainer.main([*config, "runner.use_visual=true"])
    assert end.value.code == 2
    assert "runner.use_visual needs an extra; install it with: pip install '.[visual]'" in capsys.readouterr().err


@pytest.mark.extras
def test_visualdl_gets_every_value(config, tmp_path):
    trainer.main([*config, "runner.use_visual=true"])
    from visualdl import LogReader

    (log,) = (tmp_path / "output/visual").iterdir()
    reader = LogReader(file_path=str(log))
    rows = history.read(tmp_path / "output/history.csv")
    for tag in ("train/loss", "valid/recall@5"):
        written = [(record.id, record.value) for record in reader.get_data("scalar", tag)]
        assert written == [(row[0], pytest.approx(row[3])) for row in rows if row[2] == tag]


@pytest.mark.extras
def test_what_visualdl_cannot_write_is_told(tmp_path):
    """Its writer prints a warning and goes on."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    curves = history.History(folder=tmp_path, state=RunState(), visual=True)
    for step in range(200):
        curves.add(step, 0, "train", {"loss": 1.0})
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"vdlrecords.*: \d+ of 200 values could be written for VisualDL"):
            curves.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.extras
@pytest.mark.parametrize("suffix, start", [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_curves_of_two_runs_are_drawn(suffix, start, write, tmp_path):
    rows = ["1,0,train/loss,2.5", "2,0,train/loss,2", "2,0,valid/recall@5,0.25", "2,0,valid/hitrate@5,0.5"]
    folders = [str(write(*rows, "2,0,valid/ndcg@5,0.5", folder=tmp_path / name)) for name in ("one", "other")]
    plot.main([*folders, "--output", str(tmp_path / f"curves.{suffix}")])
    drawn = (tmp_path / f"curves.{suffix}").read_bytes()
    assert drawn.startswith(start)
    if suffix == "svg":
        assert all(word in drawn.decode() for word in ("train/loss", "valid/recall@5", "one", "other"))


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
