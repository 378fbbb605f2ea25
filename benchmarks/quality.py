"""Quality of committed configurations on test, over seeds: one row a run in results.jsonl, and the mean of each.

Example: python -m benchmarks.quality benchmarks/configs/amazon-beauty/mind.yaml --seeds 3

A run that is already in the file, with the same resolved configuration, is not repeated.
"""

import argparse
import json
import statistics
import time
from datetime import date
from pathlib import Path

import faiss
import paddle

import infer
import trainer
from models import MODELS
from tools.config import Config, load_config, positive
from tools.errors import UserError, command
from tools.files import read_text
from tools.histories import read_object
from tools.progress import SHAPE, SHOWN, metric_table

RESULTS = Path(__file__).parent / "results.jsonl"
LOCAL = ("_dir", "_path")  # keys that say where files are: the same run on another machine has others


@command
def main(argv=None):
    """Run what is missing, print the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", type=Path, nargs="+", metavar="CONFIG")
    parser.add_argument("--seeds", type=positive, default=3, help="training seeds 1…N; the split is always the same")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    check_results(args.results)
    table = {}
    for path in args.configs:
        settings = load_config(path, (), MODELS)
        name, dataset = label(path, settings), Path(settings.runner.train_data_dir).parent.name
        runs = [run_once(path, seed, args.results) for seed in range(1, args.seeds + 1)]
        for system in runs[0]["test"]:
            metrics = [row["test"][system] for row in runs]
            table[f"{dataset} {system}"] = {
                metric: statistics.mean(one[metric] for one in metrics) for metric in metrics[0]
            }
        deviation = statistics.stdev(row["test"][name]["recall@50"] for row in runs) if len(runs) > 1 else 0.0
        print(f"{path}: {len(runs)} seeds, recall@50 standard deviation {100 * deviation:.2f}")
    print(metric_table(table))


def run_once(path, seed, results) -> dict:
    """Train and test one configuration with one seed, or give the row that says how that went."""
    overrides = [
        f"runner.seed={seed}",
        f"runner.model_save_path=output/quality/{path.parent.name or 'default'}-{path.stem}-{seed}",
    ]
    settings = load_config(path, overrides, MODELS)
    resolved = portable(settings)
    for row in read_rows(results):
        # A key that the schema did not have at the time stood at what is now its default.
        if {**portable(Config()), **row["resolved"]} == resolved:
            return row
    started = time.perf_counter()
    trainer.main(["-m", str(path), "-o", *overrides])
    infer.main(["-m", str(path), "-o", *overrides])
    output = Path(settings.runner.model_save_path)
    test = json.loads((output / "metrics.json").read_text())
    row = {
        "config": path.as_posix(), "seed": seed, "date": date.today().isoformat(),
        "versions": {"paddle": paddle.__version__, "faiss": faiss.__version__},
        "best_step": json.loads((output / "best" / "state.json").read_text())["step"],
        "seconds": round(time.perf_counter() - started),
        "test": {name.replace(f"{settings.hyper_parameters.model} best", label(path, settings)): shown(metrics)
                 for name, metrics in test.items()},
        "resolved": resolved,
    }  # fmt: skip
    with open(results, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    return row


def portable(settings) -> dict:
    """A resolved configuration as JSON gives it back, without what says where files are."""
    flat = {key: value for key, value in settings.flat().items() if not key.endswith(LOCAL)}
    return json.loads(json.dumps(flat))


def label(path, settings) -> str:
    """How a configuration is called in the table: its file, or its model where the file is the default one."""
    return settings.hyper_parameters.model if path.stem == "config" else path.stem


def shown(metrics):
    """The metrics of the tables, rounded to what a user more or less can tell."""
    return {name: round(value, 6) for name, value in metrics.items() if name.split("@")[0] in SHOWN + SHAPE}


def check_results(results):
    """A `UserError` now, and not after the first run, where rows cannot be added to a file."""
    try:
        results.parent.mkdir(parents=True, exist_ok=True)
        with open(results, "a", encoding="utf-8"):
            read_rows(results)
    except OSError as error:
        raise UserError(f"{results}: cannot be written ({error.strerror}); check --results, space and rights") from None


def read_rows(results) -> list[dict]:
    """All runs so far."""
    rows = []
    for number, line in enumerate(read_text(results).splitlines(), 1):
        row = read_object(line)
        if row is None or not isinstance(row.get("resolved"), dict):
            raise UserError(f"{results}:{number}: {line[:80]!r} is not a row of this command; mend or remove it")
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
