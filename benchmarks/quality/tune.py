"""Variants of a configuration, compared on valid alone: one row a run in tuning.jsonl, and a table of them, best first.

The best is that of `runner.best_metric`. Campaigns of the repository; `tools.tune` searches on your own data.

Example: python -m benchmarks.quality.tune config.yaml --grid hyper_parameters.temperature=0.1,1 runner.seed=1,2
Example: python -m benchmarks.quality.tune config.yaml -o runner.epochs=9 --grid runner.seed=1,2,3

Each combination of the grid's values is a run. A run that is in the file with the same resolved configuration is not
repeated, so an interrupted campaign continues when the command is given again. The test split is never read.
"""

import argparse
import itertools
import json
import shutil
import time
from datetime import date
from pathlib import Path

import paddle

import trainer
from benchmarks.quality.results import portable, read_rows, settings_of
from models import MODELS
from tools.common.errors import UserError, command
from tools.common.progress import metric_text
from tools.training.settings import load_settings
from tools.training.tuning import rank, shown

RESULTS = Path(__file__).parents[1] / "runs/tuning.jsonl"
OUTPUT = Path("output/tuning")


@command
def main(argv=None):
    """Run what is missing, print all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, metavar="CONFIG")
    parser.add_argument("-o", "--opt", nargs="*", default=[], metavar="KEY=VALUE", help="overrides of every run")
    parser.add_argument("--grid", nargs="*", default=[], metavar="KEY=VALUE,VALUE", help="values to combine")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    variants = [[*args.opt, *choice] for choice in combinations(args.grid)]
    # A wrong value in the last shows before the first has run.
    names = {load_settings(args.config, overrides, MODELS).runner.best_metric for overrides in variants}
    if len(names) > 1:
        raise UserError(f"--grid: {' and '.join(sorted(names))} cannot be compared; give one runner.best_metric")
    (name,) = names
    rows = [run_once(args.config, overrides, args.results) for overrides in variants]
    for row in sorted(rows, key=lambda row: rank(row["valid"], name)):
        metrics = ", ".join(f"{one} {metric_text(one, row['valid'][one])}" for one in shown(row["valid"], name))
        print(f"{metrics}  step {row['best_step']}, {row['seconds']} s  {' '.join(row['overrides'])}")


def combinations(grid) -> list[tuple[str, ...]]:
    """`key=a,b` texts to all choices of `key=value` texts, one of each; no text gives the one empty choice."""
    each = []
    for text in grid:
        key, found, values = text.partition("=")
        if not found:
            raise UserError(f"--grid {text}: write key=value,value")
        each.append([f"{key}={value}" for value in values.split(",")])
    return list(itertools.product(*each))


def run_once(path, overrides, results) -> dict:
    """Train one variant, or give the row that says how that went."""
    resolved = portable(load_settings(path, overrides, MODELS))
    for row in read_rows(results) if results.exists() else []:
        if settings_of(row) == resolved:
            return row
    shutil.rmtree(OUTPUT, ignore_errors=True)  # of a run that was interrupted
    started = time.perf_counter()
    trainer.main(["-m", str(path), "-o", *overrides, f"runner.model_save_path={OUTPUT}"])
    best = json.loads((OUTPUT / "best" / "state.json").read_text())
    row = {
        "config": path.as_posix(), "overrides": list(overrides), "seed": resolved["runner.seed"],
        "date": date.today().isoformat(), "versions": {"paddle": paddle.__version__},
        "valid": {name: round(value, 6) for name, value in best["valid"].items()},
        "best_step": best["step"], "seconds": round(time.perf_counter() - started),
        "resolved": resolved,
    }  # fmt: skip
    shutil.rmtree(OUTPUT)
    with open(results, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    return row


if __name__ == "__main__":
    main()
