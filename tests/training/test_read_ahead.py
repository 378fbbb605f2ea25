"""A reader that fails ends the training with its message, and no process outlives the one that started it."""

import subprocess
import sys
import time
from pathlib import Path

import lives
import pytest
from datasets import prepare_users
from paths import ROOT

CONFIG = """
runner:
  train_data_dir: data/train
  valid_data_dir: data/valid
  test_data_dir: data/test
  train_batch_size: 64
  epochs: 300
  top_n: 10
  best_metric: recall@10
hyper_parameters: {embedding_dim: 8, maxlen: 8, neg_samples: 20, item_count: 61}
"""
READER = """
import reader
from tools.common.errors import UserError


class RecDataset(reader.RecDataset):
    def batch(self, step):
        if step == 3:
            raise {what}
        return super().batch(step)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    prepare_users(folder)
    (folder / "config.yaml").write_text(CONFIG)
    return folder


def arguments(project, output, workers):
    options = [f"runner.model_save_path={output}", f"runner.num_workers={workers}"]
    return ["-m", str(project / "config.yaml"), "-o", *options]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    "what, code, told",
    [
        ("UserError('the log has a hole; mend it')", 2, "error: the log has a hole; mend it\n"),
        ("MemoryError", 2, "error: out of memory"),
        ("LookupError", 1, "LookupError"),
    ],
)
@pytest.mark.slow
def test_an_exception_of_the_reader_ends_the_run(what, code, told, workers, project, tmp_path, monkeypatch):
    (tmp_path / "failing.py").write_text(READER.format(what=what))
    monkeypatch.syspath_prepend(tmp_path)
    options = [*arguments(project, tmp_path / "out", workers), "runner.train_reader_path=failing"]
    process = lives.begin(options, tmp_path / "said.txt")
    process.join(120)
    said = (tmp_path / "said.txt").read_text()
    assert process.exitcode == code, said
    assert told in said
    assert ("Traceback" in said) == (code == 1)


def children(process):
    found = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8")
    return [int(one) for one in found.split()]


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_reader_processes_end_with_a_killed_trainer(project, tmp_path):
    words = [sys.executable, "trainer.py", *arguments(project, tmp_path / "out", 2)]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE) as process:
        readers = wait_until(lambda: found if len(found := children(process.pid)) >= 2 else None)
        time.sleep(0.5)
        process.kill()
        process.communicate(timeout=60)  # returns when nobody holds its stderr
    wait_until(lambda: not any(map(alive, readers)))
