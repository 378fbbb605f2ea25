"""A reader that fails ends the training with its message, and no process outlives the one that started it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from datasets import prepare_users

REPO = Path(__file__).parents[2]
CONFIG = """
runner:
  train_data_dir: data/train
  valid_data_dir: data/valid
  test_data_dir: data/test
  train_reader_path: failing
  train_batch_size: 64
  epochs: 300
  top_n: 10
  best_metric: recall@10
hyper_parameters: {embedding_dim: 8, maxlen: 8, neg_samples: 20, item_count: 61}
"""
READER = """
import os
import reader
from tools.common.errors import UserError


class RecDataset(reader.RecDataset):
    def batch(self, step):
        if step == 3 and os.environ["HOW"] == "UserError":
            raise UserError("the log has a hole; mend it")
        if step == 3 and os.environ["HOW"] == "MemoryError":
            raise MemoryError
        if step == 3 and os.environ["HOW"] == "LookupError":
            raise LookupError
        return super().batch(step)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    prepare_users(folder)
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "failing.py").write_text(READER)
    return folder


def command(project, output, workers):
    options = [f"runner.model_save_path={output}", f"runner.num_workers={workers}"]
    return [sys.executable, str(REPO / "trainer.py"), "-m", str(project / "config.yaml"), "-o", *options]


def environment(project, how):
    return os.environ | {"HOW": how, "PYTHONPATH": str(project)}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("how, code, told", [("UserError", 2, "error: the log has a hole; mend it\n"),
                                             ("MemoryError", 2, "error: out of memory"),
                                             ("LookupError", 1, "LookupError")])  # fmt: skip
@pytest.mark.slow
def test_an_exception_of_the_reader_ends_the_run(how, code, told, workers, project, tmp_path):
    done = subprocess.run(
        command(project, tmp_path / "out", workers),
        env=environment(project, how),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert ("Traceback" in done.stderr) == (code == 1)


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
    with subprocess.Popen(
        command(project, tmp_path / "out", 2), env=environment(project, ""), stderr=subprocess.PIPE
    ) as process:
        readers = wait_until(lambda: found if len(found := children(process.pid)) >= 2 else None)
        time.sleep(0.5)
        process.kill()
        process.communicate(timeout=60)  # returns when nobody holds its stderr
    wait_until(lambda: not any(map(alive, readers)))
