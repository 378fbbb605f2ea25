"""The pictures of `tools.explain`: what is drawn, and how."""

import itertools
from collections import Counter
from typing import NamedTuple

import numpy as np

from tools.plot import COLOURS, INK

MARKS = "osD^vPX<"  # beside COLOURS, so that it is never the colour alone that tells
NAMED = 8  # categories at most; the rest is "other"
LONGEST = 36  # characters of a title


def draw_coupling(pyplot, told, titles, coupling, live):
    """A row an item of the history, a column an interest.

    Args:
        pyplot: of `tools.plot.open_pyplot`.
        told: what stands above.
        titles: of the history's items, oldest first.
        coupling: `[K, T]`.
        live: `[K]`; the column of a dead interest is empty.
    """
    interest_num, length = coupling.shape
    figure, axes = pyplot.subplots(figsize=(3.4 + 0.6 * interest_num, 1.1 + 0.25 * length), layout="constrained")
    values = np.where(live, coupling.T, np.nan)  # [T, K]
    heat(axes, values, "Blues", (0.0, max(np.nanmax(values), 1e-9)))
    axes.set_yticks(range(length), [shorten(title) for title in titles])
    axes.set_xticks(range(interest_num), interest_names(live))
    figure.suptitle(told)
    return figure


def unit(vectors):
    """`[..., D]` scaled to length 1; a vector of zeros stays one."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def interest_names(live):
    """What interests are called at an axis, as in the lists of infer.py."""
    return [f"interest {k}" if alive else f"{k}, dead" for k, alive in enumerate(live)]


def shorten(title):
    """A title that fits beside a picture."""
    return title if len(title) <= LONGEST else title[: LONGEST - 1].rstrip() + "…"


def heat(axes, values, colours, limits):
    """Cells `[rows, columns]`, the first row above, with their values in them; an empty one is not a number.

    They are opaque, and so their values are readable whatever the page's background.
    """
    rows, columns = values.shape
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    cells = axes.pcolormesh(*edges, values, cmap=colours, vmin=limits[0], vmax=limits[1])
    for row, column in np.argwhere(np.isfinite(values)):
        value = values[row, column]
        dark = np.dot(cells.to_rgba(value)[:3], (0.299, 0.587, 0.114)) < 0.55
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if dark else "black", size=8)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)


class Plane(NamedTuple):
    """Vectors in two dimensions."""

    items: np.ndarray  # [n, 2] retrieved
    history: np.ndarray  # [T, 2]
    interests: np.ndarray  # [K, 2]
    share: np.ndarray  # [2] of the retrieved items' variance


def project(items, history, interests) -> Plane:
    """The plane in which the retrieved items lie furthest apart: their two largest principal components.

    By NumPy's SVD: no package, no seed, the same picture each time, and straight, so that an item that lies in an
    interest's direction lies so in the picture as far as the plane shows it. An interest's length says nothing about
    its list, so each is drawn at the mean length of the items.

    Args:
        items: vectors `[n, D]`.
        history: `[T, D]`.
        interests: `[K, D]`.
    """
    centre, length = items.mean(axis=0), np.linalg.norm(items, axis=1).mean()
    _, strength, axes = np.linalg.svd(items - centre, full_matrices=False)
    variance = np.square(strength)
    # A component's sign is the library's whim: the largest entry is positive.
    axes = axes[:2] * np.sign(np.take_along_axis(axes[:2], np.abs(axes[:2]).argmax(axis=1)[:, None], axis=1))
    points = ((one - centre) @ axes.T for one in (items, history, length * unit(interests)))
    return Plane(*points, variance[:2] / variance.sum())


def draw_items(pyplot, told, plane: Plane, interest, category, live):
    """The retrieved items of each interest, and again by category where there are any.

    Args:
        pyplot: of `tools.plot.open_pyplot`.
        told: what stands above.
        plane: where they lie.
        interest: `[n]`, which retrieved the item, with the largest score.
        category: `[n]` texts; None where the data set has none.
        live: `[K]`.
    """
    panels = {"by interest": [(name, interest == k) for k, name in enumerate(interest_names(live)) if live[k]]}
    if category is not None:
        panels["by category"] = groups(category)
    size = 4.4 * len(panels), 4.9
    figure, axes = pyplot.subplots(1, len(panels), figsize=size, layout="constrained", squeeze=False)
    for one, (title, parts) in zip(axes[0], panels.items(), strict=True):
        one.scatter(*plane.history.T, s=60, facecolors="none", edgecolors=INK, linewidths=0.8, label="history")
        for (name, chosen), colour, mark in zip(parts, itertools.cycle(COLOURS), itertools.cycle(MARKS), strict=False):
            other = {"color": INK, "alpha": 0.5, "marker": "."} if name == "other" else {"color": colour, "marker": mark}
            one.scatter(*plane.items[chosen].T, s=14, linewidths=0, label=f"{name} ({chosen.sum()})", **other)
        one.set(title=title, xticks=[], yticks=[])
        one.set_xlabel(f"{plane.share[0]:.0%} of the variance across, {plane.share[1]:.0%} up")
        one.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.08), fontsize=8)
    for (k, colour), point in zip(enumerate(itertools.cycle(COLOURS)), plane.interests, strict=False):
        if live[k]:
            axes[0, 0].scatter(*point, marker="*", s=170, color=colour, edgecolors=INK)
            axes[0, 0].annotate(str(k), point, xytext=(6, 5), textcoords="offset points", color=colour, weight="bold")
    figure.suptitle(told)
    return figure


def groups(category):
    """`(name, [n] bool)` of the categories that most items have, and of all other items."""
    largest = [name for name, _ in Counter(name for name in category.tolist() if name).most_common(NAMED)]
    parts = [(name, category == name) for name in largest]
    rest = ~np.isin(category, largest)
    return [*parts, ("other", rest)] if rest.any() else parts


def draw_similarity(pyplot, told, curve, step, cosine):
    """How alike interests are over training, where a history is there, and pair by pair.

    Args:
        pyplot: of `tools.plot.open_pyplot`.
        told: what stands above.
        curve: steps and values of `interest_similarity`; None without a history.
        step: of the checkpoint; None where it says none.
        cosine: `[K, K]` means over users.
    """
    interest_num = len(cosine)
    size = 0.5 + 0.55 * interest_num
    widths = [4.6, size + 0.6] if curve else [size + 0.6]
    figure, axes = pyplot.subplots(
        1, len(widths), figsize=(sum(widths), max(size, 2.8)), layout="constrained", squeeze=False, width_ratios=widths
    )
    if curve:
        axes[0, 0].plot(*curve, ".-", color=COLOURS[0])
        axes[0, 0].set(title="over training, mean of valid", xlabel="step", ylabel="cosine")
        if step is not None:
            axes[0, 0].axvline(step, color=INK, linestyle=":", linewidth=1)
    heat(axes[0, -1], cosine, "PuOr", (-1.0, 1.0))
    axes[0, -1].set_xticks(range(interest_num))
    axes[0, -1].set_yticks(range(interest_num))
    axes[0, -1].set(title="between interests, mean of test", aspect="equal")
    figure.suptitle(told)
    return figure
