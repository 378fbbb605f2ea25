"""Settings chosen on other data sets: what a model has where nobody tuned it.

Example: python -m benchmarks.quality.transfer spectral amazon-beauty amazon-sports amazon-apps

The candidates are the model's defaults (recipe `paper`) and its `tuned` settings of each data set. Each is fitted on
each data set, one seed. In turn one data set is held out: the candidate is chosen that is best on valid of the others,
by the mean of its metric relative to the best there, and the table has its test beside that of the defaults and of
what was tuned on the held-out set itself. Each run adds a row to transfer.jsonl; a run that is there is not repeated.
"""

import argparse

import numpy as np

from benchmarks.quality import results
from benchmarks.quality.measure import check_results, prepare, run_or_stop
from models import MODELS
from tools.common.errors import UserError, command
from tools.common.files import read_text
from tools.common.tables import markdown
from tools.config.overrides import load_yaml

SEED = 1
DEFAULTS = "defaults"
HEAD = ["held out", "chosen on the others", "test", "defaults, test", "tuned on itself, test"]


@command
def main(argv=None):
    """Run what is missing, print a row for each data set that is held out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=list(MODELS), metavar="MODEL")
    parser.add_argument("datasets", nargs="+", metavar="DATASET", help="three or more folders of benchmarks/configs")
    parser.add_argument("--metric", default="recall@50", help="what is compared; default: recall@50")
    args = parser.parse_args(argv)
    if len(args.datasets) < 3:
        raise UserError(f"{' '.join(args.datasets)}: one is held out, and two choose; give three data sets or more")
    check_results(file())
    found = {dataset: measured(args.model, dataset, args.datasets) for dataset in args.datasets}
    valid = {dataset: {name: row["valid"] for name, row in rows.items()} for dataset, rows in found.items()}
    test = {dataset: {name: row["test"][args.model] for name, row in rows.items()} for dataset, rows in found.items()}
    rows = [held_out(dataset, valid, test, args.metric) for dataset in args.datasets]
    print(markdown([HEAD, *rows]), end="")


def file():
    """`transfer.jsonl`."""
    return results.ROOT / "benchmarks/runs/transfer.jsonl"


def candidates(model, datasets) -> dict[str, list[str]]:
    """Name -> overrides, the settings of a recipe without what belongs to its data set."""
    found: dict[str, list[str]] = {DEFAULTS: []}
    for dataset in datasets:
        settings = load_yaml(read_text(results.configuration(dataset, f"tuned/{model}")))["hyper_parameters"]
        own = {key: value for key, value in settings.items() if key not in ("model", "item_count")}
        found[dataset] = [f"hyper_parameters.{key}={value}" for key, value in own.items()]
    return found


def measured(model, dataset, datasets) -> dict[str, dict]:
    """Candidate -> its row on a data set; what is missing is run."""
    path = results.configuration(dataset, f"paper/{model}")
    prepare(dataset, None)
    rows = {}
    for name, overrides in candidates(model, datasets).items():
        if SEED not in results.runs(path, results.read_rows(file()), overrides):
            run_or_stop(path, SEED, file(), overrides)
        rows[name] = results.runs(path, results.read_rows(file()), overrides)[SEED]
    return rows


def held_out(dataset, valid, test, metric) -> list[str]:
    """A row of the table; metrics in percent."""
    others = [name for name in valid if name != dataset]
    usable = [name for name in valid[dataset] if name != dataset]  # what was tuned on the held-out set takes no part

    def score(name):
        return np.mean([valid[one][name][metric] / max(row[metric] for row in valid[one].values()) for one in others])

    chosen = max(usable, key=score)
    figures = [f"{100 * test[dataset][name][metric]:.2f}" for name in (chosen, DEFAULTS, dataset)]
    return [dataset, chosen, *figures]


if __name__ == "__main__":
    main()
