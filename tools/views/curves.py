"""The curves of training runs."""

import numpy as np

from tools.common.errors import UserError
from tools.training import history
from tools.views.figures import COLOURS

SMOOTH = 20  # points of the loss that a drawn one is the mean of, since a batch's loss is noisy


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
    figure, panels = pyplot.subplots(1, len(tags), figsize=(3.2 * len(tags), 2.8), squeeze=False)
    for axes, tag in zip(panels[0], tags, strict=True):
        for (name, run), colour in zip(runs.items(), COLOURS * len(runs), strict=False):
            steps, values = run.get(tag, ([], []))
            if tag.startswith("train/"):
                axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
                values = trailing_mean(values)
            axes.plot(steps, values, color=colour, label=name, marker=None if tag.startswith("train/") else ".")
        thick = f"; thick: mean of the last {SMOOTH} points" if tag.startswith("train/") else ""
        axes.set(title=tag, xlabel=f"step{thick}")
        if "@" in tag:  # a share, in the unit of log and tables
            axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    if len(runs) > 1:
        panels[0][0].legend(frameon=False)
    return figure


def trailing_mean(values):
    """The mean of each value and the `SMOOTH - 1` before it, of fewer at the start."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(1, len(sums))
    start = np.maximum(end - SMOOTH, 0)
    return (sums[end] - sums[start]) / (end - start)
