"""The whole road at scale, each stage's seconds and peak memory as a JSON line, with the commands that users run.

Example: python -m benchmarks.speed.scale --users 10000000 --items 4000000 > benchmarks/runs/scale.jsonl

A raw log of ten rows a user, `tools.preprocess`, 2,000 steps of `trainer.py`, and `infer.py` on 10,000 users of test,
twice: the first run builds the index, the second maps it. An epoch and a split of that size are this module's readers',
whose names stand in the configuration.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import paddle

import reader
from benchmarks.speed.memory import megabytes
from benchmarks.speed.preprocess import COLUMNS, watched
from benchmarks.speed.raw_log import write_raw_log
from tools.common.errors import command
from tools.config.arguments import item_count, positive
from tools.data.dataset import read_meta
from tools.data.split_text import Evaluation

STEPS, USERS = 2000, 10_000
CONFIG = """
runner:
  train_data_dir: data/train
  valid_data_dir: data/valid
  test_data_dir: data/test
  train_reader_path: benchmarks.speed.scale
  infer_reader_path: benchmarks.speed.scale
  model_save_path: {output}
  epochs: 1
  print_interval: 500
  index: {index}
hyper_parameters:
  model: {model}
  item_count: {item_count}
"""


class RecDataset(reader.RecDataset):
    """The reader with an epoch of `STEPS` batches."""

    @property
    def batches(self) -> int:
        """Batches an epoch."""
        return STEPS


class InferDataset(reader.InferDataset):
    """The reader of the first `USERS` users."""

    def __init__(self, file_list, config):
        super().__init__(file_list, config)
        some = np.arange(min(USERS, len(self.data.users)))
        users, history, target = self.data
        self.data, self.event = Evaluation(users[some], history.take(some), target.take(some)), self.event[some]


@command
def main(argv=None):
    """Run the stages, print a line after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=positive, default=10_000_000)
    parser.add_argument("--items", type=item_count, default=4_000_000)
    parser.add_argument("--model", default="mind")
    parser.add_argument("--index", default="ivf")
    parser.add_argument("--folder", type=Path, help="where there is room, 1 kB a user; default: the system's")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        log, data, config = folder / "log.csv", folder / "data", folder / "config.yaml"
        size = {"rows": 10 * args.users, "users": args.users, "items": args.items}
        tell("raw log made", *apart(partial(write_raw_log, log, **size)), **size)
        arguments = ["-m", "tools.preprocess", "table", str(log), *COLUMNS, "--output", str(data)]
        done = watched(arguments)
        meta = read_meta(data / "train")
        tell("preprocess", *done, **{name: meta[name] for name in ("users", "item_count", "interactions")})
        settings = {"output": folder / "output", "item_count": meta["item_count"]}
        config.write_text(CONFIG.format(**vars(args) | settings), encoding="utf-8")
        tell("training", *watched(["trainer.py", "-m", str(config)]), model=args.model, steps=STEPS)
        for stage in ("index and evaluation", "evaluation, index kept"):
            done = watched(["infer.py", "-m", str(config)])
            rows = json.loads((folder / "output/metrics.json").read_text(encoding="utf-8"))
            result = next(iter(rows.values()))
            tell(stage, *done, index=args.index, users=result["users"], recall_50=round(result["recall@50"], 4))


def apart(call) -> tuple[float, float]:
    """Do something in a process of its own; seconds, and the most MB that it held."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, call).result()


def _measured(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start, megabytes("VmHWM")


def tell(stage, seconds, peak, **more):
    """Print the line of a stage."""
    row = {"stage": stage, "seconds": round(seconds, 1), "peak_gb": round(peak / 1e3, 2), **more}
    row |= {"load": round(os.getloadavg()[0], 1), "paddle": paddle.__version__, "date": date.today().isoformat()}
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
