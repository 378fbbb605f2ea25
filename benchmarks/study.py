"""The controllable study of a checkpoint: what accuracy a more varied list costs, with lambda chosen on valid.

Example: python -m benchmarks.study -m output/quality/amazon-beauty/paper/mind-1/best/config.yaml
Example: python -m benchmarks.study -m output/quality/amazon-beauty/paper/mind-1/best/config.yaml --levels leaf 1 2

Categories are the data set's own, leaf, or the nodes of that level in the category paths of item_attributes.npz. Chosen
is the smallest lambda that at least halves the share of pairs of one category in the 50, 1 - diversity@50, at a loss of
at most 3 % of recall@50; test is then measured with it.
"""

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.quality import measure
from models import MODELS
from tools import progress, runtime
from tools.config import add_arguments, load_config, positive
from tools.dataset import read_categories
from tools.errors import UserError, command
from tools.files import load_arrays

LAMBDAS = [float(f"{0.001 * 1.5**n:.2g}") for n in range(24)]  # to 11: a lambda has the unit of the scores
LEAST_KEPT, MOST_ALIKE = 0.97, 0.5  # of recall@50, of the share of pairs of one category


@command
def main(argv=None):
    """Measure, choose, test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument(
        "--levels", nargs="+", type=level_of, default=["leaf", 2], metavar="leaf|N", help="default: leaf 2"
    )
    parser.add_argument("--lambdas", nargs="+", type=float, default=LAMBDAS, help="default: 24 from 0.001 to 11")
    args = parser.parse_args(argv)
    settings = load_config(args.config_yaml, args.opt, MODELS)
    runtime.prepare(settings.runner.use_gpu, settings.runner.seed)
    with progress.logging_to_terminal():
        for level in args.levels:
            study(settings, level, sorted({0.0, *args.lambdas}))


def level_of(text):
    """A command line's `leaf` or number of a level."""
    return text if text == "leaf" else positive(text)


def study(settings, level, lambdas):
    """The table of all lambdas on valid, the choice, and the table of test with it; `settings` name the checkpoint."""
    folder, item_count = Path(settings.runner.test_data_dir).parent, settings.hyper_parameters.item_count
    category = read_categories(folder, item_count) if level == "leaf" else categories_at(folder, level, item_count)
    if category is None:
        raise UserError(f"{folder}: no item_category.npy; prepare a data set with categories")
    on_valid = replace(settings, runner=replace(settings.runner, test_data_dir=settings.runner.valid_data_dir))
    valid = measured(on_valid, lambdas, category)
    chosen = choose(valid)
    told(f"categories {level}: {len(np.unique(category[category >= 0]))} of them; valid", valid)
    if chosen is None:
        logging.info("categories %s: no lambda halves the pairs of one category at so small a loss", level)
    else:
        told(f"categories {level}: lambda {chosen:g} is chosen; test", measured(settings, [0.0, chosen], category))


def measured(settings, lambdas, category) -> dict[float, dict]:
    """Lambda -> metrics."""
    reports = measure(settings, tuple(lambdas), category)
    return {weight: report.result() for weight, report in zip(lambdas, reports, strict=True)}


def choose(rows) -> float | None:
    """The smallest lambda that is varied and accurate enough beside lambda 0; None where there is none."""
    plain = rows[0.0]
    fits = [
        weight
        for weight, one in rows.items()
        if 1 - one["diversity@50"] <= MOST_ALIKE * (1 - plain["diversity@50"])
        and one["recall@50"] >= LEAST_KEPT * plain["recall@50"]
    ]
    return min(fits, default=None)


def told(title, rows):
    """Log a table."""
    named = {f"lambda {weight:g}": one for weight, one in rows.items()}
    logging.info("%s, %d users, percent\n%s", title, rows[0.0]["users"], progress.metric_table(named))


def categories_at(folder, level, item_count) -> np.ndarray:
    """Category of each row of the item table, `[item_count]`: its path from the root down to a level, -1 for none.

    An item's attributes are its brand, where that is known, and its category path. Nothing says which of the two the
    first one is, but a brand is nowhere but in first place, and a root stands behind some item's brand. A path that
    ends above the level is a category as it is.

    Args:
        folder: of the data set.
        level: from 1, the root's.
        item_count: rows of the item table.
    """
    path = folder / "item_attributes.npz"
    arrays = load_arrays(path, "prepare the data set again")
    if "attributes.values" not in arrays:
        raise UserError(f"{path}: no category paths, which --levels {level} needs; give --levels leaf")
    values, offsets = arrays["attributes.values"], arrays["attributes.offsets"]
    start, end = offsets[:-1], offsets[1:]
    first = np.zeros(len(values) + 1, bool)
    first[start[start < end]] = True
    brands = np.setdiff1d(values[first[:-1]], values[~first[:-1]])
    place = np.minimum(start, len(values) - 1)
    start = start + ((start < end) & np.isin(values[place], brands))
    places = start[:, None] + np.arange(level)  # [items, level]
    nodes = np.where(places < end[:, None], values[np.minimum(places, len(values) - 1)], -1)
    category = np.where(start < end, np.unique(nodes, axis=0, return_inverse=True)[1].ravel(), -1)
    return np.concatenate([[-1], category, np.full(item_count - 1 - len(category), -1)])


if __name__ == "__main__":
    main()
