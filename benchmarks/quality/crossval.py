"""Closed-form models by cross-validation over the users of train and valid, where valid alone is too few to tell.

Example: python -m benchmarks.quality.crossval amazon-beauty tuned/spectral tuned/spectral_single

Each fifth of the users is measured by a model that was fitted to the other four; test is never read. Each configuration
and fifth adds a row to crossval.jsonl; a row that is there is not run again. The command prints how the first
configuration differs from each of the others, with the paired 95 % interval over users. A model that is trained by
gradient is refused: it would choose its best step on the users that it is measured on.
"""

import argparse
from pathlib import Path

import numpy as np
import yaml

from benchmarks.quality import results
from benchmarks.quality.compare import comparison
from benchmarks.quality.measure import check_results, prepare, run_or_stop
from models import MODELS
from tools.common.errors import UserError, command
from tools.common.files import atomic_folder
from tools.common.ragged import Ragged, ragged
from tools.data.dataset import data_files, read_meta, read_sequences, write_split
from tools.training.settings import load_settings

PARTS = 5
SEED = 1230  # of who is in which part


@command
def main(argv=None):
    """Run what is missing, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="a folder of benchmarks/configs")
    parser.add_argument("first", metavar="RECIPE/MODEL")
    parser.add_argument("others", metavar="RECIPE/MODEL", nargs="+")
    args = parser.parse_args(argv)
    paths = {label: results.configuration(args.dataset, label) for label in (args.first, *args.others)}
    for label, path in paths.items():
        if not hasattr(MODELS[load_settings(path, (), MODELS).hyper_parameters.model], "fit"):
            raise UserError(f"{label}: is trained by gradient; give a model that brings its own fit, or use quality")
    check_results(file())
    prepare(args.dataset, None)
    write_parts(results.ROOT / "data" / args.dataset)
    found = {label: recalls(args.dataset, path) for label, path in paths.items()}
    for other in args.others:
        (name, first), (its, second) = found[args.first], found[other]
        if name != its:
            raise UserError(f"{args.first} has {name} of users, {other} {its}; measure both with one runner.top_n")
        print(f"{args.first} against {other}: {comparison(first, second, name)}")


def file():
    """`crossval.jsonl`."""
    return results.ROOT / "benchmarks/runs/crossval.jsonl"


def write_parts(folder):
    """Beside a data set one for each part: `NAME-parts/1` …, with the part's users as valid and as test.

    Args:
        folder: the data set.
    """
    output, meta = folder.with_name(f"{folder.name}-parts"), read_meta(folder / "train")
    if output.is_dir():
        return
    splits = [read_sequences(data_files(folder / name), meta["item_count"]) for name in ("train", "valid")]
    users = np.concatenate([one.users for one in splits])
    items = ragged(
        np.concatenate([one.items.lengths for one in splits]), np.concatenate([one.items.values for one in splits])
    )
    part = np.random.default_rng(SEED).permutation(len(users)) % PARTS
    with atomic_folder(output) as folder:
        for number in range(PARTS):
            measured, fitted = (np.flatnonzero(chosen) for chosen in (part == number, part != number))
            rows = {"train": fitted, "valid": measured, "test": measured}
            entries = {
                name: write_part(folder / str(number + 1) / name, users, items, some) for name, some in rows.items()
            }
            text = yaml.safe_dump({"protocol": meta["protocol"], "item_count": meta["item_count"], "splits": entries})
            (folder / str(number + 1) / "meta.yaml").write_text(text)


def write_part(folder: Path, users, items: Ragged, rows) -> dict:
    """A split of the given rows; places stand for times."""
    some = items.take(rows)
    return write_split(folder, users[rows], some, np.arange(len(some.values)))


def recalls(dataset, path) -> tuple[str, np.ndarray]:
    """Name of the recall, and its values of all users, part after part, `[1, U]`; the seed of a run is its part."""
    for part in range(1, PARTS + 1):
        folder = f"../../../../data/{dataset}-parts/{part}"  # of the configuration, like those that it replaces
        overrides = [f"runner.{split}_data_dir={folder}/{split}" for split in ("train", "valid", "test")]
        if part not in results.runs(path, results.read_rows(file())):
            run_or_stop(path, part, file(), overrides)
    found = results.runs(path, results.read_rows(file()))
    each = [results.users_recall(found[part]) for part in range(1, PARTS + 1)]
    ((name,),) = {tuple(one) for one in each}  # of one configuration
    return name, np.concatenate([one[name] for one in each])[None]


if __name__ == "__main__":
    main()
