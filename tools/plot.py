"""Draw curves of training runs from their history.csv, as SVG or PNG; needs the extra plot.

Example: python -m tools.plot output/movielens-100k --output curves.svg
Example: python -m tools.plot output/spread-0 output/spread-1 --metrics recall@50 interest_similarity --output both.png

Each FOLDER has the checkpoints of a run. The command draws the loss and the metrics on valid; without --metrics those
of the longest lists.
"""

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tools.common.errors import UserError, command, did_you_mean
from tools.common.files import atomic_path
from tools.training import history

INK = "#808080"  # stands out from white and from black
COLOURS = ("#2a7fd4", "#d96f00", "#2f9e55", "#b0559e", "#8a7a20")  # so do these
STYLE: dict[str, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "", "text.parse_math": False, "font.size": 10,
    "savefig.transparent": True, "axes.facecolor": "none", "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.alpha": 0.3,
    **{f"{part}.color": INK for part in ("text", "xtick", "ytick", "grid")},
    "axes.edgecolor": INK, "axes.labelcolor": INK,
}  # fmt: skip
SMOOTH = 20  # points of the loss that a drawn one is the mean of, since a batch's loss is noisy


@command
def main(argv=None):
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--metrics", nargs="+", metavar="NAME", help="of valid, for example recall@50")
    parser.add_argument("--output", type=Path, default=Path("curves.svg"), metavar="FILE", help="*.svg or *.png")
    args = parser.parse_args(argv)
    if args.output.suffix not in (".svg", ".png"):
        raise UserError(f"--output: {args.output} ends neither in .svg nor in .png; name it so")
    runs = {str(folder): curves(folder) for folder in args.folders}
    names = [f"valid/{name}" for name in args.metrics or []] or longest(runs)
    known = sorted({tag for run in runs.values() for tag in run if tag.startswith("valid/")})
    for name in names:
        if name not in known:
            shown = [tag.partition("/")[2] for tag in known]
            name = name.partition("/")[2]
            raise UserError(f"--metrics: {name!r} is not one of {', '.join(shown)}{did_you_mean(name, shown)}")
    save(draw(open_pyplot(), runs, ["train/loss", *names]), args.output)
    print(f"written to {args.output}")


def curves(folder) -> dict[str, tuple[list[int], list[float]]]:
    """Tag -> steps and values of a run; a `UserError` where there is no history.csv."""
    path = folder / history.NAME
    if not path.is_file():
        raise UserError(f"{folder}: no {history.NAME} here; give the runner.model_save_path of a training run")
    found: dict[str, tuple[list[int], list[float]]] = {}
    for step, _, tag, value in history.read(path):
        steps, values = found.setdefault(tag, ([], []))
        steps.append(step)
        values.append(float(value))
    return found


def longest(runs) -> list[str]:
    """Recall, NDCG and hit rate of the longest lists that all runs measured."""
    tags = set.intersection(*(set(run) for run in runs.values()))
    measured = [int(tag.split("@")[1]) for tag in tags if tag.startswith("valid/recall@")]
    return [f"valid/{name}@{max(measured)}" for name in ("recall", "ndcg", "hitrate")] if measured else []


def draw(pyplot, runs, tags):
    """A panel a tag, a line a run."""
    figure, panels = pyplot.subplots(1, len(tags), figsize=(3.2 * len(tags), 2.8), layout="constrained", squeeze=False)
    for axes, tag in zip(panels[0], tags, strict=True):
        for (name, run), colour in zip(runs.items(), COLOURS * len(runs), strict=False):
            steps, values = run.get(tag, ([], []))
            if tag.startswith("train/"):
                axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
                values = trailing_mean(values)
            axes.plot(steps, values, color=colour, label=name, marker=None if tag.startswith("train/") else ".")
        axes.set(title=tag, xlabel="step")
    if len(runs) > 1:
        panels[0][0].legend(frameon=False)
    return figure


def trailing_mean(values):
    """The mean of each value and the `SMOOTH - 1` before it, of fewer at the start."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(1, len(sums))
    start = np.maximum(end - SMOOTH, 0)
    return (sums[end] - sums[start]) / (end - start)


def open_pyplot():
    """Matplotlib's pyplot, without a window and for light and dark backgrounds; a `UserError` without the extra."""
    try:
        import matplotlib
    except ImportError:
        raise UserError("plots need an extra; install it with: pip install '.[plot]'") from None
    matplotlib.use("agg")
    matplotlib.rcParams.update(STYLE)
    from matplotlib import pyplot

    return pyplot


def save(figure, path):
    """Write a figure, and close it; the same one gives the same file."""
    from matplotlib import pyplot

    kind = path.suffix[1:]
    undated = {"Date": None} if kind == "svg" else {}
    with atomic_path(path) as temporary, warnings.catch_warnings():
        if kind == "svg":  # who shows it may have the letters that our font lacks
            warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(temporary, format=kind, bbox_inches="tight", dpi=150, metadata=undated)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
