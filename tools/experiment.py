"""Compare models or recipes on one data set, over seeds: trains what is missing, measures on test, writes tables.

Example: python -m tools.experiment config.yaml --models mind comirec_dr youtube_dnn --output output/compare
Example: python -m tools.experiment paper/mind.yaml tuned/mind.yaml --seeds 5 --curves --output output/compare

Each CONFIG with each of --models is a system. Each system and seed is a run, and each run a row in
FOLDER/results.jsonl. A finished run is not repeated; a killed one goes on. FOLDER then gets table.md, table.csv and
table.tex. They have means and standard deviations over seeds, and compare each system with the one of --against: the
paired 95 % interval over test users, averaged over seeds, and p of a paired randomization test with Holm's correction
for the number of systems. All configurations must name one data set.
"""

import argparse
import csv
import io
import json
import logging
import statistics
import sys
from datetime import date
from pathlib import Path

import numpy as np
import paddle

from infer import best_reports
from models import MODELS
from tools.common import progress
from tools.common.errors import UserError, command, did_you_mean
from tools.common.files import atomic_file, read_text
from tools.common.replacing import writing
from tools.common.tables import latex, markdown
from tools.config.arguments import positive
from tools.config.load import Config, useless_keys
from tools.config.overrides import read_yaml
from tools.data import identity
from tools.data.dataset import read_meta
from tools.data.split_text import parse_json
from tools.evaluation.compare import Difference, difference, holm
from tools.training import agreement, run_rows, runtime
from tools.training.interrupt import Interrupted
from tools.training.settings import load_settings
from tools.training.tuning import as_text
from tools.views.curves import curves, draw
from tools.views.figures import open_pyplot, save
from trainer import Trainer

RESULTS = "results.jsonl"


@command
def main(argv=None):
    """Run what is missing, write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", type=Path, nargs="+", metavar="CONFIG")
    parser.add_argument(
        "--models", nargs="+", action="extend", metavar="NAME", help="models for each configuration; default: its own"
    )
    parser.add_argument("--seeds", type=positive, default=3, metavar="N", help="training seeds 1…N; default: 3")
    parser.add_argument("--against", metavar="SYSTEM", help="system to compare with; default: the first")
    parser.add_argument("--metric", metavar="NAME", help="metric to compare; default: runner.best_metric")
    parser.add_argument("--curves", action="store_true", help="draw curves.svg, too; needs the extra plot")
    parser.add_argument(
        "-o", "--opt", nargs="*", action="extend", default=[], metavar="KEY=VALUE", help="override keys"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    args = parser.parse_intermixed_args(argv)
    pyplot = open_pyplot() if args.curves else None
    systems = open_systems(args)
    against = args.against or next(iter(systems))
    if against not in systems:
        raise UserError(f"--against: {against!r} is not one of {', '.join(systems)}{did_you_mean(against, systems)}")
    metric = args.metric or load_settings(*next(iter(systems.values())), MODELS).runner.best_metric
    with writing(args.output):
        measured = run_missing(systems, args)
        cells = table(measured, against, metric)
        write(args.output, cells)
        if pyplot:
            runs = [(name, seed) for name in systems for seed in measured[name]]
            found = {f"{name}, seed {seed}": curves(folder(args.output, name, seed)) for name, seed in runs}
            save(draw(pyplot, found, [f"valid/{metric}"]), args.output / "curves.svg")
    print(markdown(cells), end="")


def open_systems(args) -> dict[str, tuple[Path, list[str]]]:
    """Name -> configuration and overrides; all are checked before the first runs."""
    stems = [one.stem for one in args.configs]
    systems: dict[str, tuple[Path, list[str]]] = {}
    for path in args.configs:
        label = path.stem if stems.count(path.stem) == 1 else f"{path.absolute().parent.name}/{path.stem}"
        for model in args.models or [None]:
            name = label if model is None else model if len(args.configs) == 1 else f"{label}/{model}"
            if name in systems:
                raise UserError(f"{path}: two systems are called {name}; name each once, in folders of other names")
            systems[name] = path, [*args.opt, *(of_model(model, path) if model else [])]
    data = {name: identity_of(load_settings(*one, MODELS)) for name, one in systems.items()}
    first = next(iter(data))
    for name, one in data.items():
        if one != data[first]:
            raise UserError(f"{first} and {name} are of different data sets; compare on one")
    return systems


def of_model(model, path) -> list[str]:
    """What makes a configuration one of another model: keys that mean nothing to it are as if they were left out."""
    useless = useless_keys(model, MODELS) & read_yaml(path).keys() if model in MODELS else set()
    if useless:
        logging.warning("%s: left out for %s: %s", path, model, ", ".join(sorted(useless)))
    defaults = Config().flat()
    return [f"hyper_parameters.model={model}", *(f"{key}={as_text(defaults[key])}" for key in sorted(useless))]


def identity_of(settings) -> list:
    """What must be the same in all runs that are compared."""
    found, test = identity.read_identity(agreement.runner_splits(settings), files=True), settings.runner.test_data_dir
    splits = read_meta(test).get("splits", {})
    return [found.item_map, found.files, splits.get(Path(test).name, test) if isinstance(splits, dict) else test]


def folder(output, name, seed) -> Path:
    """Of a run."""
    return output / "runs" / name.replace("/", "-") / str(seed)


def run_missing(systems, args) -> dict[str, dict[int, dict]]:
    """System -> seed -> its row."""
    path = args.output / RESULTS
    known = [parse_json(one) for one in read_text(path).splitlines()] if path.is_file() else []
    found: dict[str, dict[int, dict]] = {name: {} for name in systems}
    with progress.logging_to_terminal():
        for name, (config, overrides) in systems.items():
            for seed in range(1, args.seeds + 1):
                own = folder(args.output, name, seed)
                options = [f"runner.seed={seed}", "runner.resume=auto", "runner.keep_checkpoints=1"]
                saved = f"runner.model_save_path={json.dumps(str(own))}"
                settings = load_settings(config, [*overrides, *options, saved], MODELS)
                wanted = {"system": name, "resolved": run_rows.portable(settings), "data": identity_of(settings)}
                row = next((one for one in known if {key: one.get(key) for key in wanted} == wanted), None)
                found[name][seed] = row or run_or_stop(settings, own, path, wanted)
    return found


def run_or_stop(settings, own, path, wanted) -> dict:
    """Train, choose on valid, measure on test, add the row; an interruption ends the command."""
    logging.info("%s, seed %d", wanted["system"], settings.runner.seed)
    unfinished = run_rows.begin(own, json.dumps(wanted))
    try:
        runtime.prepare(settings.runner.use_gpu, settings.runner.seed)
        Trainer(settings).train()
    except Interrupted as stopped:
        logging.info("%s: the run is saved; the same command continues it", stopped)
        sys.exit(stopped.exit_code)
    (report,) = best_reports(settings, settings.runner.diversity_lambda[:1] or (0.0,))  # the lists that are served
    result = report.result()
    names = [one for one in result if one.partition("@")[0] in progress.SHOWN]
    row = wanted | {
        "seed": settings.runner.seed, "date": date.today().isoformat(), "versions": {"paddle": paddle.__version__},
        "test": {name: result[name] for name in result if isinstance(result[name], float)},
        "of_users": {name: run_rows.pack(report.of_users(name)) for name in names},
    }  # fmt: skip
    run_rows.append(path, row)
    unfinished.unlink()
    return row


def table(measured, against, metric) -> list[list[str]]:
    """Cells: figures in percent, means ± standard deviations over seeds; differences from a system."""
    each = {name: list(runs.values()) for name, runs in measured.items()}
    known = [row["of_users"] for runs in each.values() for row in runs]
    names = [name for name in known[0] if all(name in one for one in known)]
    if metric not in names:
        raise UserError(f"--metric: {metric!r} is not one of {', '.join(names)}{did_you_mean(metric, names)}")
    users = {name: np.stack([run_rows.unpack(row["of_users"][metric]) for row in runs]) for name, runs in each.items()}
    others = [name for name in each if name != against]
    differences = {name: difference(users[name], users[against]) for name in others}
    corrected = dict(zip(others, holm([differences[name].p for name in others]), strict=True))
    cells = [["system", *names, f"{metric} to {against}, 95 % interval", "p, Holm", "seeds"]]
    for name, runs in each.items():
        means = [spread([100 * row["test"][one] for row in runs]) for one in names]
        told = [signed(differences[name]), f"{corrected[name]:.4f}"] if name in differences else ["-", "-"]
        cells.append([name, *means, *told, str(len(runs))])
    return cells


def spread(values) -> str:
    """Mean, and standard deviation where there are several."""
    several = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{several}"


def signed(one: Difference) -> str:
    """A difference in percent with its interval."""
    return f"{100 * one.mean:+.2f} [{100 * one.low:+.2f}, {100 * one.high:+.2f}]"


def write(output, cells):
    """The tables."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(cells)
    for name, content in (("table.md", markdown(cells)), ("table.csv", text.getvalue()), ("table.tex", latex(cells))):
        with atomic_file(output / name) as file:
            file.write(content)
    logging.info("written to %s", output)


if __name__ == "__main__":
    main()
