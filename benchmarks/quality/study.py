"""The controllable study of a checkpoint: what accuracy a more varied list costs, with lambda chosen on valid.

Example: python -m benchmarks.quality.study -m output/quality/amazon-beauty/tuned/spectral-1/best/config.yaml
Example: python -m benchmarks.quality.study -m output/mind/best/config.yaml --levels leaf 1 2
Example: python -m benchmarks.quality.study -m output/spectral/best/config.yaml -o runner.filter_seen=true

Categories are the data set's own (`leaf`), or the nodes of a level in the category paths of item_attributes.npz. All
figures are compared with the checkpoint's plain lists, without `-o`. The share of pairs of one category in the 50 is
1 - diversity@50. To bring it to three quarters, half and a quarter of the plain lists', the smallest lambda is chosen
on valid whose 95 % interval over users gets there; test is then measured with these lambdas, once. The aim is half of
the pairs at a loss of at most 3 % of recall@50. Each level adds a row to study.jsonl; `benchmarks.tables` writes the
tables of docs/variety.md from that file.
"""

import argparse
import logging
from dataclasses import replace
from datetime import date
from pathlib import Path

import faiss
import numpy as np
import paddle

from benchmarks.quality import results
from benchmarks.quality.render import in_pages, markdown
from infer import best_reports
from models import MODELS
from tools.common import progress
from tools.common.errors import UserError, command
from tools.common.files import load_arrays
from tools.config.arguments import add_arguments, positive
from tools.data.dataset import read_categories
from tools.evaluation.report import bootstrap
from tools.training import run_rows, runtime
from tools.training.settings import load_settings

LAMBDAS = [float(f"{1e-5 * 1.1**n:.3g}") for n in range(152)]  # to 18: a lambda has the unit of the scores
LEAST_KEPT, MOST_ALIKE = 0.97, 0.5  # of recall@50, of the share of pairs of one category
SHARES = (0.75, MOST_ALIKE, 0.25)  # of the plain lists' pairs of one category
KEPT = ("recall@50", "hitrate@50", "diversity@50", "coverage@50")

MARK = "‡"  # of a lambda that reaches the aim on valid
WORDS = {
    "docs/variety.md": (
        "categories", "setting", "lambda", "R@50 on valid", "R@50", "HR@50", "diversity@50", "pairs alike, % of plain",
        "R@50 to plain, %",
    ),
}  # fmt: skip


@command
def main(argv=None):
    """Measure, choose, test, add a row a level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument(
        "--levels", nargs="+", type=level_of, default=["leaf", 2], metavar="leaf|N", help="default: leaf 2"
    )
    parser.add_argument("--lambdas", nargs="+", type=float, default=LAMBDAS, help="default: 152 from 0.00001 to 18")
    args = parser.parse_args(argv)
    plain, settings = (with_list(load_settings(args.config_yaml, opt, MODELS)) for opt in ((), args.opt or ()))
    runtime.prepare(settings.runner.use_gpu, settings.runner.seed)
    with progress.logging_to_terminal():
        for level in args.levels:
            row = study(plain, settings, level, sorted({0.0, *args.lambdas}))
            run_rows.append(file(), row | {"overrides": args.opt or []})


def file():
    """`study.jsonl`."""
    return results.ROOT / "benchmarks/runs/study.jsonl"


def with_list(settings):
    """The settings with the list of 50 that all is measured on."""
    runner = settings.runner
    return replace(settings, runner=replace(runner, top_n=sorted({*runner.top_n, 50})))


def level_of(text):
    """A command line's `leaf` or number of a level."""
    return text if text == "leaf" else positive(text)


def study(plain, settings, level, lambdas) -> dict:
    """The row of a level; `plain` and `settings` name the checkpoint, without and with what is studied."""
    folder, item_count = Path(settings.runner.test_data_dir).parent, settings.hyper_parameters.item_count
    category = read_categories(folder, item_count) if level == "leaf" else categories_at(folder, level, item_count)
    if category is None:
        raise UserError(f"{folder}: no item_category.npy; prepare a data set with categories")
    (before,), valid = (
        best_reports(on_valid(plain), (0.0,), category),
        best_reports(on_valid(settings), tuple(lambdas), category),
    )
    valid_rows = dict(zip(lambdas, (shown(report) for report in valid), strict=True))
    pairs = np.stack([same_pairs(report) for report in valid], axis=1)  # [U, lambdas]
    chosen = {share: choose(lambdas, pairs, same_pairs(before), share) for share in SHARES}
    tested = sorted({0.0, *(one for one in chosen.values() if one is not None)})
    (base,), test = best_reports(plain, (0.0,), category), best_reports(settings, tuple(tested), category)
    test_rows = {weight: shown(report) | change(report, base) for weight, report in zip(tested, test, strict=True)}
    categories = len(np.unique(category[category >= 0]))
    told(f"categories {level}: {categories} of them; valid", {"plain": shown(before), **valid_rows})
    told(f"categories {level}: chosen for {chosen}; test", {"plain": shown(base), **test_rows})
    hyper = settings.hyper_parameters
    return {
        "dataset": folder.name, "model": hyper.model, "level": level, "categories": categories,
        "seed": settings.runner.seed, "date": date.today().isoformat(),
        "versions": {"paddle": paddle.__version__, "faiss": faiss.__version__},
        "chosen": {str(share): weight for share, weight in chosen.items()},
        "valid": {"plain": shown(before), **valid_rows}, "test": {"plain": shown(base), **test_rows},
        "resolved": run_rows.portable(settings),
    }  # fmt: skip


def on_valid(settings):
    """The settings with valid in test's place."""
    return replace(settings, runner=replace(settings.runner, test_data_dir=settings.runner.valid_data_dir))


def shown(report) -> dict[str, float]:
    """The metrics of a row."""
    result = report.result()
    return {name: round(result[name], 6) for name in KEPT if name in result}


def same_pairs(report) -> np.ndarray:
    """Share of pairs of one category in each user's 50, `[U]`."""
    return 1 - report.of_users("diversity@50")


def choose(lambdas, pairs, plain, share) -> float | None:
    """The smallest lambda that brings the pairs of one category to a share of the plain lists'; None where none does.

    Args:
        lambdas: `[L]`, rising.
        pairs: of each user's list, `[U, L]`; the upper end of the mean's 95 % interval counts.
        plain: `[U]`.
        share: of the plain lists' pairs.
    """
    excess = bootstrap(pairs - share * plain[:, None])[1]  # [L]
    return min((weight for weight, one in zip(lambdas, excess, strict=True) if one <= 0), default=None)


def alike(one, plain) -> float:
    """Pairs of one category in the 50, times those of the plain lists."""
    return (1 - one["diversity@50"]) / (1 - plain["diversity@50"])


def change(report, base) -> dict[str, list[float]]:
    """Recall@50 relative to the plain lists': the mean over users of the difference, and its paired 95 % interval."""
    difference, mean = report.of_users("recall@50") - base.of_users("recall@50"), base.of_users("recall@50").mean()
    low, high = bootstrap(difference[:, None])[:, 0]
    return {"recall@50 to plain": [round(float(one / mean), 4) for one in (difference.mean(), low, high)]}


def told(title, rows):
    """Log a table."""
    named = {f"lambda {name:g}" if isinstance(name, float) else name: one for name, one in rows.items()}
    logging.info("%s, percent\n%s", title, progress.metric_table(named))


def rendered() -> dict[Path, str]:
    """Page -> its text with the tables of the newest row of each data set, setting and level."""
    rows = results.read_rows(file())
    return in_pages("study", WORDS, lambda dataset, words: table(dataset, rows, words))


def table(dataset, rows, words) -> str:
    """The Markdown table of a data set; `words` head its columns."""
    newest = {(str(row["level"]), *row["overrides"]): row for row in rows if row["dataset"] == dataset}
    cells = [list(words)]
    for level in dict.fromkeys(level for level, *_ in newest):
        for row in (one for (its, *_), one in newest.items() if its == level):
            cells += lines(row)
    return markdown(cells)


def lines(row) -> list[list[str]]:
    """The cells of a row: plain, where nothing is overridden, then each lambda that was tested."""
    found, setting = [], " ".join(row["overrides"]).replace("runner.", "") or "-"
    for weight, one in row["test"].items():
        if weight == "plain" if row["overrides"] else weight == "0.0":
            continue
        before, valid, plain = row["valid"]["plain"], row["valid"][weight], row["test"]["plain"]
        loss, low, high = one.get("recall@50 to plain", [0, 0, 0])
        name = "0" if weight in ("plain", "0.0") else f"{float(weight):g}"
        halves = alike(valid, before) <= MOST_ALIKE and valid["recall@50"] >= LEAST_KEPT * before["recall@50"]
        found.append([
            str(row["level"]), f"`{setting}`" if row["overrides"] else setting, f"{name} {MARK}" if halves else name,
            *(f"{100 * value:.2f}" for value in (valid["recall@50"], one["recall@50"], one["hitrate@50"])),
            f"{100 * one['diversity@50']:.2f}", f"{100 * alike(one, plain):.0f}",
            f"{100 * loss:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]" if weight != "plain" else "-",
        ])  # fmt: skip
    return found


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
