"""Plots of the speed tables, as SVG; needs the extra plot.

Example: python -m benchmarks.speed.plots --output docs/images

Reads speed.jsonl (`benchmarks.speed.train --model all`) and scaling.jsonl (`benchmarks.speed.scaling`) in
benchmarks/runs/.
"""

import argparse
import json
from pathlib import Path

from tools.common.errors import command
from tools.common.files import read_text
from tools.views.figures import COLOURS, INK, open_pyplot, save

RUNS = Path(__file__).parents[1] / "runs"


@command
def main(argv=None):
    """Draw both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("docs/images"), metavar="FOLDER")
    args = parser.parse_args(argv)
    pyplot = open_pyplot()
    for name, draw in (("speed", draw_speed), ("scaling", draw_scaling)):
        rows = [json.loads(line) for line in read_text(RUNS / f"{name}.jsonl").splitlines()]
        save(draw(pyplot, rows), args.output / f"{name}.svg")
        print(f"written to {args.output / f'{name}.svg'}")


def draw_speed(pyplot, rows):
    """Samples a second of each model, bars."""
    rows = sorted(rows, key=lambda row: row["samples_per_s"])
    figure, axes = pyplot.subplots(figsize=(6, 0.34 * len(rows) + 0.8))
    bars = axes.barh([row["model"] for row in rows], [row["samples_per_s"] for row in rows], color=COLOURS[0])
    axes.bar_label(bars, fmt="{:,.0f}", color=INK, padding=3)
    axes.set(xlabel=f"samples a second, batch {rows[0]['batch']}, {rows[0]['item_count']:,} items")
    axes.grid(axis="y", visible=False)
    return figure


def draw_scaling(pyplot, rows):
    """A step's time, ours and dense, and peak memory over the size of the catalogue."""
    figure, (time, memory) = pyplot.subplots(1, 2, figsize=(9, 3.2))
    items, dense = [row["item_count"] for row in rows], [row for row in rows if row["dense_ms"]]
    time.loglog(items, [row["ms_per_step"] for row in rows], "o-", color=COLOURS[0], label="rows looked up")
    sizes = [row["item_count"] for row in dense]
    time.loglog(sizes, [row["dense_ms"] for row in dense], "s--", color=COLOURS[1], label="dense table")
    time.set(xlabel="items", ylabel=f"ms a step, batch {rows[0]['batch']}")
    memory.loglog(items, [row["peak_mb"] for row in rows], "o-", color=COLOURS[0], label="process, at most")
    memory.loglog(items, [row["table_mb"] for row in rows], "s--", color=COLOURS[1], label="table and two moments")
    memory.set(xlabel="items", ylabel="MB")
    for axes in (time, memory):
        axes.legend(frameon=False)
        axes.xaxis.set_major_formatter(pyplot.FuncFormatter(lambda number, _: f"{number:.0e}".replace("e+0", "e")))
        axes.yaxis.set_major_formatter("{x:,.0f}")
    return figure


if __name__ == "__main__":
    main()
