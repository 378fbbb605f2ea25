"""A folder holds one run: another is refused or replaces it when told to, and only what the run wrote is deleted."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import prepare_users

import trainer
from tools.common.lock import Lock
from tools.training import checkpoint, resume, runs

REPO = Path(__file__).parents[2]
CONFIG = """
runner: {train_data_dir: data/train, valid_data_dir: data/valid, test_data_dir: data/test, train_batch_size: 512,
  epochs: 2, top_n: 10, best_metric: recall@10}
hyper_parameters: {item_count: 61, embedding_dim: 4, maxlen: 8, neg_samples: 20}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    prepare_users(folder)
    (folder / "config.yaml").write_text(CONFIG)
    trainer.main(["-m", str(folder / "config.yaml"), "-o", f"runner.model_save_path={folder / 'run'}"])
    return folder


@pytest.fixture
def run(project, tmp_path):
    return shutil.copytree(project / "run", tmp_path / "run")


def train(project, output, *options):
    trainer.main(["-m", str(project / "config.yaml"), "-o", f"runner.model_save_path={output}", *options])


def refused(project, output, capsys, *options):
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        train(project, output, *options)
    assert end.value.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if " - " not in line]
    assert len(lines) == 1
    return lines[0]


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("options", [(), ("hyper_parameters.model=comirec_sa",), ("runner.epochs=1",)])
def test_a_folder_that_holds_a_run_is_left_alone(options, project, run, capsys):
    before = content(run)
    error = refused(project, run, capsys, *options)
    assert error == (
        f"error: {run}: holds a run (0, 1, best, history.csv); go on with it by runner.resume=auto, choose another "
        "runner.model_save_path, or replace it by runner.overwrite=true"
    )
    assert content(run) == before


def test_overwriting_removes_the_run_and_nothing_else(project, run):
    (run / "metrics.json").write_text("{}")
    (run / "export").mkdir()
    for name in ("export/config.yaml", "notes.txt", "explain-items.svg"):
        (run / name).write_text("mine")
    shutil.copytree(run / "1", run / "20251125")  # a copy of one's own
    train(project, run, "runner.overwrite=true", "runner.epochs=1")
    assert {one.name for one in run.iterdir()} == {
        "0", "best", "history.csv", "export", "notes.txt", "explain-items.svg", "20251125",
    }  # fmt: skip
    assert (run / "history.csv").read_text().count("recall@10") == 1


def test_what_does_not_fit_removes_nothing(project, run, capsys):
    before = content(run)
    options = ("runner.overwrite=true", "runner.train_data_dir=nowhere")
    assert "no data here" in refused(project, run, capsys, *options)
    assert content(run) == before


def test_an_overwritten_run_that_was_told_to_resume_is_resumed(project, run):
    train(project, run, "runner.overwrite=true", "runner.resume=auto", "runner.epochs=3")
    assert {"0", "1", "2"} <= {one.name for one in run.iterdir()}


def test_a_trainer_where_another_one_trains_is_told_so(project, tmp_path, capsys):
    script = (
        "import sys; from tools.common.lock import Lock; kept = Lock(sys.argv[1], ''); print(1, flush=True); input()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "run/.lock")]
    with subprocess.Popen(command, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        error = refused(project, tmp_path / "run", capsys, "runner.resume=auto", "runner.overwrite=true")
        assert f"{tmp_path}/run: is being written by process {other.pid} on " in error
        other.kill()
    train(project, tmp_path / "run")
    assert not (tmp_path / "run/.lock").exists()


def fake(root, name, step, epoch, batch, **more):
    (root / name).mkdir(parents=True)
    (root / name / "rec.pdparams").touch()
    (root / name / "state.json").write_text(json.dumps({"step": step, "epoch": epoch, "batch": batch, **more}))


def test_the_clock_has_no_say(tmp_path):
    """Set back by a day, the newest has the oldest date."""
    for number, (name, *state) in enumerate(
        [("0", 5, 1, 0), ("step-8", 8, 1, 3), ("1", 10, 2, 0), ("step-9", 9, 1, 4)]
    ):
        fake(tmp_path, name, *state, written=-float(number))
        os.utime(tmp_path / name, (99 - number, 99 - number))
    assert [one.name for one in runs.checkpoints(tmp_path)] == ["0", "step-8", "step-9", "1"]
    resume.prune(tmp_path, 2, step=10)
    assert {one.name for one in tmp_path.iterdir()} == {"step-9", "1"}


def test_only_what_the_run_wrote_is_pruned(tmp_path):
    for epoch in range(1, 6):
        fake(tmp_path, str(epoch - 1), 5 * epoch, epoch, 0)
    shutil.copytree(tmp_path / "1", tmp_path / "20251125")
    shutil.copytree(tmp_path / "1", tmp_path / "step-7")
    (tmp_path / "77").mkdir()  # of one's own
    (tmp_path / "9").symlink_to(tmp_path / "1")
    fake(tmp_path, "50", None, "x", 0)  # damaged
    resume.prune(tmp_path, 1, step=25)
    assert {one.name for one in tmp_path.iterdir()} == {"4", "20251125", "step-7", "77", "9", "50"}


def test_a_damaged_later_one_that_was_passed_over_counts_for_nothing(tmp_path):
    """Else each new checkpoint would be the oldest."""
    for epoch in (1, 2, 9):
        fake(tmp_path, str(epoch - 1), 5 * epoch, epoch, 0)
    resume.prune(tmp_path, 1, step=10)
    assert {one.name for one in tmp_path.iterdir()} == {"1", "8"}


def test_a_copy_is_not_gone_on_from(project, run):
    shutil.copytree(run / "1", run / "20251125")
    assert resume.newest(run).name in ("1", "best")


def test_a_run_goes_on_with_its_training_data_alone(project, run, tmp_path, capsys):
    """As many batches, the same items, and one row another."""
    folder = shutil.copytree(project / "data", tmp_path / "data")
    path = folder / "train/interactions.csv"
    first, second, *rest = path.read_text().splitlines(keepends=True)
    swapped = [first.split(",")[1], second.split(",")[1]][::-1]
    rows = [
        ",".join([one.split(",")[0], item, one.split(",")[2]])
        for one, item in zip((first, second), swapped, strict=True)
    ]
    path.write_text("".join([*rows, *rest]))
    dirs = [f"runner.{name}_data_dir={folder / name}" for name in ("train", "valid", "test")]
    error = refused(project, run, capsys, "runner.resume=auto", "runner.epochs=3", *dirs)
    carried = json.loads((run / "best/identity.json").read_text())
    assert f"with training data {carried['train']}, {folder} now has " in error
    assert "go on from its parameters in another runner.model_save_path with runner.model_init_path=" in error
    other = tmp_path / "other"
    train(project, other, *dirs, f"runner.model_init_path={run / 'best'}")  # the items are the same
    assert json.loads((other / "best/identity.json").read_text())["train"] != carried["train"]


def test_data_that_is_replaced_while_it_is_read_is_noticed(project, tmp_path, capsys, monkeypatch):
    folder = shutil.copytree(project / "data", tmp_path / "data")
    original = trainer.open_split

    def late(name, config):
        if name == "valid":
            text = (folder / "item_map.csv").read_text()
            (folder / "item_map.csv").write_text(f"{text}\n")
            (folder / "meta.yaml").write_text((folder / "meta.yaml").read_text().partition("identity")[0])
        return original(name, config)

    monkeypatch.setattr(trainer, "open_split", late)
    dirs = [f"runner.{name}_data_dir={folder / name}" for name in ("train", "valid", "test")]
    assert f"{folder}: was replaced while it was read; start again" in refused(project, tmp_path / "out", capsys, *dirs)
    assert not (tmp_path / "out").exists()


def test_the_lock_is_held_while_a_run_is_open(project, tmp_path):
    settings = trainer.load_settings(project / "config.yaml", [f"runner.model_save_path={tmp_path / 'out'}"])
    run = trainer.Trainer(settings)
    with pytest.raises(Exception, match="is being written"):
        Lock(tmp_path / "out/.lock", "out")
    run.release()
    Lock(tmp_path / "out/.lock", "out").close()
    assert checkpoint.BEST == "best"
