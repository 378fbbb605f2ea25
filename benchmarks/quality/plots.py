"""Recall against training time, every model and recipe of a data set, as SVG; needs the extra plot.

Example: python -m benchmarks.quality.plots --output docs/images

Reads results.jsonl. A point is the mean over the seeds that were trained in one go; `seconds` are those of training and
measuring together, on the machine of the row.
"""

import argparse
import statistics
from pathlib import Path

from benchmarks.quality import results
from tools.common.errors import command
from tools.views.figures import COLOURS, INK, open_pyplot, save

DATASETS = {"amazon-beauty": "Amazon Beauty", "amazon-sports": "Amazon Sports", "amazon-apps": "Amazon Apps"}
METRIC, SHOWN = "recall@50", "R@50, percent"


@command
def main(argv=None):
    """Draw a panel a data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("docs/images"), metavar="FOLDER")
    args = parser.parse_args(argv)
    rows = results.read_rows(results.file())
    found = {title: points(dataset, rows) for dataset, title in DATASETS.items()}
    save(draw(open_pyplot(), found), args.output / "quality.svg")
    print(f"written to {args.output / 'quality.svg'}")


def points(dataset, rows) -> dict[str, tuple[float, float]]:
    """`RECIPE/MODEL` -> seconds of a run, and percent on test; configurations without a run are left out."""
    found = {}
    for label, path in results.configurations(dataset).items():
        whole = [row for row in results.runs(path, rows).values() if not row.get("resumed_at")]
        if whole:
            figures = [next(iter(row["test"].values()))[METRIC] for row in whole]
            seconds = statistics.mean(row["seconds"] for row in whole)  # whole ones
            found[label] = (max(seconds, 1.0), 100 * statistics.mean(figures))
    return found


def draw(pyplot, found):
    """A panel below the other; filled points are tuned, hollow ones as the papers or the defaults have it."""
    size = (8, 4.6 * len(found))
    figure, panels = pyplot.subplots(len(found), 1, figsize=size, layout="constrained", squeeze=False)
    for axes, (title, drawn) in zip(panels.flat, found.items(), strict=True):
        axes.set(xscale="log", xlabel="seconds of training and measuring", ylabel=SHOWN)
        axes.set_title(f"{title}: filled tuned, hollow as published or by default")
        axes.xaxis.set_major_formatter("{x:g}")
        for label, point in drawn.items():
            recipe, _, model = label.partition("/")
            colour = COLOURS[0] if model.startswith("spectral") else COLOURS[1]
            axes.plot(*point, "o", color=colour, fillstyle="full" if recipe == "tuned" else "none")
            if recipe == "tuned" and f"paper/{model}" in drawn:
                axes.plot(*zip(drawn[f"paper/{model}"], point, strict=True), "-", color=colour, linewidth=0.6)
        write_names(axes, drawn)
    return figure


def write_names(axes, drawn):
    """A model's name beside its tuned point, or its only one; lower where another name is in the way."""
    points = {label.partition("/")[2]: point for label, point in drawn.items()}  # tuned ones come last
    bottom, top = axes.get_ylim()
    line = (top - bottom) / 32  # of text
    taken: list[tuple[float, float]] = []  # where names begin
    for model, (seconds, recall) in sorted(points.items(), key=lambda one: -one[1][1]):
        height = recall
        while any(0.35 < seconds / other < 2.8 and abs(height - at) < line for other, at in taken):
            height -= line / 4
        taken.append((seconds, height))
        axes.annotate(model, (seconds, height), (6, -2), textcoords="offset points", fontsize=7, color=INK)


if __name__ == "__main__":
    main()
