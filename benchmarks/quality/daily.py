"""Days after the first: models that go on from yesterday's, against models trained anew, on a log with a clock.

Example: OMP_NUM_THREADS=1 python -m benchmarks.quality.daily
Example: OMP_NUM_THREADS=1 python -m benchmarks.quality.daily --dataset complete-journey

All events in the order of time are cut into a first 70 % and six parts of 5 %. After the first 70 %, and after each
part but the last, a data set is made of all events until then, each but the first with --extend of the one before; the
next part is test. Of a user who was there before, the earlier events are the history; of one who was not, the first
80 % of those in the part. Events of items that were not there before are left out of test, and counted. MIND as in
config.yaml is trained anew for as many epochs as stand there, and goes on for one or two from the model of the day
before; beside them the first model with rows for the new items and no training, and `spectral`, fitted anew. Seconds
are the processor's.

A row a model and day goes to daily.jsonl; what is there is not repeated. `benchmarks.tables` writes the table of
docs/daily.md.
"""

import argparse
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np
import paddle

import infer
import trainer
from benchmarks.quality import measure, results
from benchmarks.quality.clocked import LOGS
from benchmarks.quality.render import in_pages, markdown
from models import MODELS
from tools import preprocess
from tools.common import progress
from tools.common.errors import command
from tools.config.arguments import positive
from tools.data.dataset import read_meta
from tools.evaluation.report import bootstrap
from tools.retrieval.aggregate import Diversity
from tools.training import checkpoint, run_rows, runtime
from tools.training.settings import load_settings
from tools.training.static import GRAPHS

FIRST, PARTS = 0.7, 6
FOLDER = Path("output/quality/daily")
WORDS = {"docs/daily.md": ("model", "after the first 70 %", "after part", "mean of the five", "to anew", "CPU s a day")}
METRIC = "recall@50"


class Way(NamedTuple):
    """How a day's model comes about."""

    told: str
    model: str = "mind"
    epochs: int = 0  # 0: those of config.yaml, or none where `since` is set
    since: str = ""  # the way whose model of the day before is gone on with; "first": the first day's


WAYS = {
    "anew": Way("`mind` anew, 8 epochs"),
    "warm-1": Way("`mind` from the day before, 1 epoch", epochs=1, since="warm-1"),
    "warm-2": Way("`mind` from the day before, 2 epochs", epochs=2, since="warm-2"),
    "first": Way("`mind` of the first day, not trained since", since="first"),
    "spectral": Way("`spectral`, fitted anew", "spectral"),
}


@command
def main(argv=None):
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=LOGS, default="movielens-100k", help="default: movielens-100k")
    parser.add_argument("--seed", type=positive, default=1, help="of the training; the days are always the same")
    args = parser.parse_args(argv)
    measure.check_results(file())
    days = prepare(args.dataset)
    for day in range(PARTS):
        for name in WAYS:
            if day == 0 and WAYS[name].since:
                continue  # there the first model is the same
            rows = read_rows(args.dataset)
            if not any((row["day"], row["way"], row["seed"]) == (day, name, args.seed) for row in rows):
                with progress.logging_to_terminal():
                    run_rows.append(file(), run(args.dataset, days, day, name, args.seed))
    print(table(args.dataset, WORDS["docs/daily.md"]), end="")


def file():
    """`daily.jsonl`."""
    return results.ROOT / "benchmarks/runs/daily.jsonl"


def read_rows(dataset):
    """The study's runs on a data set."""
    return [row for row in results.read_rows(file()) if row["dataset"] == dataset]


def prepare(dataset) -> list[Path]:
    """The data set of each day, made where it is missing."""
    log, place = LOGS[dataset], FOLDER / dataset
    rows = log.read(results.ROOT / "data/download")
    ends = [int(len(rows) * (FIRST + (1 - FIRST) * part / PARTS)) for part in range(PARTS + 1)]
    days = [results.ROOT / "data/daily" / dataset / str(day) for day in range(PARTS)]
    for day, folder in enumerate(days):
        if (folder / "meta.yaml").is_file():
            continue
        known = {item for _, item, _ in rows[: ends[day]]}
        part = [row for row in rows[ends[day] : ends[day + 1]] if row[1] in known]
        files = [write(place / f"{day}.train.csv", rows[: ends[day]]), write(place / f"{day}.test.csv", part)]
        columns = [word for name in ("user", "item", "time") for word in (f"--{name}", name)]
        extend = ["--extend", str(days[day - 1])] if day else []
        preprocess.main(["split", *files, *columns, "--ties", log.ties, "--output", str(folder), *extend])
        print(f"day {day}: {ends[day + 1] - ends[day] - len(part)} of {ends[day + 1] - ends[day]} events are left out")
    return days


def write(path, rows):
    """A log; gives its path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{','.join(map(str, row))}\n" for row in [("user", "item", "time"), *rows]))
    return str(path)


def run(dataset, days, day, name, seed) -> dict:
    """Train a day's model, test it on the next part; gives the row."""
    way, settings = WAYS[name], settings_of(dataset, days, day, name, seed)
    runtime.prepare(False, seed)
    started = time.process_time()
    if way.since == "first":
        model = GRAPHS["dynamic"]().create_model(settings)
        checkpoint.load(saved(dataset, "anew", 0, seed) / checkpoint.BEST, model, settings, going_on=True)
        steps = 0
    else:
        training = trainer.Trainer(settings)
        training.train()
        model, steps = training.model, training.state.step
    seconds = time.process_time() - started
    study = infer.Study(settings)
    report = study.measure(GRAPHS["dynamic"](), model, Diversity((0.0,), study.diversity.category))[0]
    meta = read_meta(days[day] / "train")
    return {
        "dataset": dataset, "day": day, "way": name, "seed": seed, "date": date.today().isoformat(),
        "versions": {"paddle": paddle.__version__, "faiss": faiss.__version__, "numpy": np.__version__},
        "steps": steps, "seconds": round(seconds, 1), "users": meta["users"], "items": meta["item_count"] - 1,
        "interactions": meta["splits"]["train"]["interactions"],
        "new_items": meta.get("extends", {}).get("new_items", 0), "test_users": meta["splits"]["test"]["users"],
        "test": results.shown(report.result()), **results.of_users(report), "resolved": run_rows.portable(settings),
    }  # fmt: skip


def settings_of(dataset, days, day, name, seed):
    """The configuration of a day's model."""
    way, folder = WAYS[name], days[day]
    own = {
        "runner.train_data_dir": folder / "train", "runner.test_data_dir": folder / "test",
        "runner.valid_data_dir": "''", "runner.early_stop": 0, "runner.seed": seed, "runner.overwrite": "true",
        "runner.compiled": way.model == "mind", "runner.filter_seen": LOGS[dataset].filter_seen,
        "runner.model_save_path": saved(dataset, name, day, seed), "hyper_parameters.model": way.model,
        "hyper_parameters.item_count": read_meta(folder / "train")["item_count"],
    }  # fmt: skip
    if way.epochs:
        before = saved(dataset, way.since, day - 1, seed) if day > 1 else saved(dataset, "anew", 0, seed)
        own |= {"runner.epochs": way.epochs, "runner.model_init_path": before / checkpoint.BEST}
    settings = load_settings(results.ROOT / "config.yaml", [f"{key}={value}" for key, value in own.items()], MODELS)
    return replace(settings, runner=replace(settings.runner, keep_checkpoints=1))


def saved(dataset, name, day, seed) -> Path:
    """The folder of a day's checkpoints."""
    return FOLDER / dataset / str(seed) / f"{name}-{day}"


def rendered() -> dict[Path, str]:
    """Page -> its text with the table."""
    return in_pages("daily", WORDS, table)


def table(dataset, words) -> str:
    """The Markdown table of recall@50, percent; `words` head its columns.

    `to anew` is the mean difference over all users of the days after the first, with its paired 95 % interval.
    """
    first, part, mean, change, seconds = words[1:]
    found = {(row["way"], row["day"]): row for row in read_rows(dataset)}
    days = range(1, PARTS)
    cells = [[words[0], first, *(f"{part} {day}" for day in days), mean, change, seconds]]
    users = {name: [results.users_recall(found[name, day])[METRIC] for day in days if (name, day) in found]
             for name in WAYS}  # fmt: skip
    for name, way in WAYS.items():
        keys = [(name if day or not way.since else "anew", day) for day in range(PARTS)]
        if not found.keys() >= set(keys):
            continue
        rows = [found[key] for key in keys]
        recall = [100 * row["test"][METRIC] for row in rows]
        difference = 100 * (np.concatenate(users[name]) - np.concatenate(users["anew"]))
        low, high = bootstrap(difference[:, None])[:, 0]
        told = "-" if name == "anew" else f"{difference.mean():+.2f} [{low:+.2f}, {high:+.2f}]"
        cost = f"{np.mean([row['seconds'] for row in rows[1:]]):.0f}"
        cells.append([way.told, *(f"{one:.2f}" for one in [*recall, np.mean(recall[1:])]), told, cost])
    return markdown(cells)


if __name__ == "__main__":
    main()
