"""Memory of a long training run: the real trainer for some minutes, with evaluations and checkpoints, as one JSON line.

Example: python -m benchmarks.speed.soak --minutes 10

The trainer is a process of its own, ended by SIGTERM; what counts is its resident memory at the end over that after the
first minute. Reading, evaluating and writing go on all the time, so whatever is kept of them shows.
"""

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import paddle

from benchmarks.speed.memory import megabytes
from tools.common.errors import UserError, command
from tools.common.ragged import ragged
from tools.config.arguments import item_count, positive
from tools.data.dataset import write_split

ROOT = Path(__file__).parents[2]
USERS, LENGTH = {"train": 20000, "valid": 1000, "test": 1}, 30  # LENGTH items a user
CONFIG = """
runner:
  train_data_dir: data/train
  valid_data_dir: data/valid
  test_data_dir: data/test
  epochs: 1000000
  eval_interval: 500
  save_interval: 250
  keep_checkpoints: 2
  num_workers: {workers}
  graph: {graph}
hyper_parameters:
  model: {model}
  item_count: {item_count}
"""


@command
def main(argv=None):
    """Train, watch, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=positive, default=10, help="at least 2")
    parser.add_argument("--model", default="mind")
    parser.add_argument("--graph", default="dynamic", choices=["dynamic", "static"])
    parser.add_argument("--workers", type=int, default=0, help="reader processes")
    parser.add_argument("--item_count", type=item_count, default=20000)
    args = parser.parse_args(argv)
    if args.minutes < 2:
        raise UserError(f"--minutes: {args.minutes} is below 2, and the first minute is what the rest is held against")
    with tempfile.TemporaryDirectory() as folder:
        write_project(Path(folder), args)
        memory, log = watch(Path(folder), 60 * args.minutes)
    first, last = (statistics.median(part) for part in (memory[55:65], memory[-10:]))
    row = {
        **vars(args), "first_minute_mb": round(first), "end_mb": round(last), "highest_mb": round(max(memory)),
        "ratio": round(last / first, 3), "evaluations": log.count(", valid recall"),
        "steps": last_step(log), "paddle": paddle.__version__, "date": date.today().isoformat(),
    }  # fmt: skip
    print(json.dumps(row))


def write_project(folder, args):
    """A data set and its configuration."""
    rng = np.random.default_rng(0)
    for split, users in USERS.items():
        items = ragged(np.full(users, LENGTH), rng.integers(1, args.item_count, users * LENGTH))
        write_split(folder / "data" / split, np.arange(users), items, np.tile(np.arange(LENGTH), users))
    (folder / "config.yaml").write_text(CONFIG.format(**vars(args)), encoding="utf-8")


def watch(folder, seconds) -> tuple[list[float], str]:
    """Resident memory of the trainer, MB, at each second from its first training step on, and its log."""
    command = [sys.executable, "trainer.py", "-m", str(folder / "config.yaml")]
    memory: list[float] = []
    with open(folder / "log.txt", "w+", encoding="utf-8") as log:
        options = ["-o", f"runner.model_save_path={folder / 'output'}"]
        with subprocess.Popen([*command, *options], cwd=ROOT, stderr=log) as process:
            while "batch_id: 0" not in (folder / "log.txt").read_text(encoding="utf-8"):
                if process.poll() is not None:
                    raise UserError((folder / "log.txt").read_text(encoding="utf-8"))
                time.sleep(0.5)
            for _ in range(seconds):
                time.sleep(1)
                memory.append(megabytes("VmRSS", process.pid))
            process.send_signal(signal.SIGTERM)
        log.seek(0)
        text = log.read()
    if process.returncode != 128 + signal.SIGTERM:
        raise RuntimeError(f"the trainer ended with {process.returncode}:\n{text[-2000:]}")
    return memory, text


def last_step(log) -> int:
    """Steps done at the last evaluation."""
    return int(log.rsplit("step: ", 1)[1].split(",")[0])


if __name__ == "__main__":
    main()
