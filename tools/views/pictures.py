"""The pictures of `tools.explain`: what is drawn, and how."""

from collections import Counter
from typing import NamedTuple

import numpy as np

from tools.common.files import shown
from tools.common.interests import LUMINANCE, interest_colour, interest_number, luminance
from tools.views.figures import COLOURS, INK, headline

MARKS = "osD^vPX<"  # it is never the colour alone that tells
NAMED = 8  # categories that are named at most
OTHER = "other"


def draw_coupling(pyplot, told, titles, coupling, live):
    """A row an item of the history, a column an interest.

    Args:
        pyplot: of `tools.views.figures.open_pyplot`.
        told: what stands above.
        titles: of the history's items, oldest first.
        coupling: `[K, T]`.
        live: `[K]`; the column of a dead interest is empty.
    """
    interest_num, length = coupling.shape
    figure, axes = pyplot.subplots(figsize=(3.4 + 0.6 * interest_num, 1.1 + 0.25 * length))
    values = np.where(live, coupling.T, np.nan)  # [T, K]
    heat(axes, values, "Blues", (0.0, max(np.nanmax(values), 1e-9)))
    axes.set_yticks(range(length), [shorten(title) for title in titles])
    axes.set_xticks(
        range(interest_num), [f"{interest_number(k)}" + ("" if alive else "\ndead") for k, alive in enumerate(live)]
    )
    heads(axes.get_xticklabels())
    axes.set_xlabel("interest")
    axes.set_ylabel("history, oldest first")
    headline(figure, told)
    return figure


def heads(labels):
    """Give the labels of all interests, in order, the colours that these have everywhere."""
    for row, label in enumerate(labels):
        label.set(color="white", bbox={"boxstyle": "round", "facecolor": interest_colour(row), "edgecolor": "none"})


def unit(vectors):
    """`[..., D]` scaled to length 1; a vector of zeros stays one."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def shorten(text, most=36):
    """A text that fits beside a picture."""
    text = shown(text, most + 1)
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def heat(axes, values, colours, limits):
    """Cells `[rows, columns]`, the first row above, with their values in them; an empty one is not a number."""
    rows, columns = values.shape
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    cells = axes.pcolormesh(*edges, values, cmap=colours, vmin=limits[0], vmax=limits[1])
    for row, column in np.argwhere(np.isfinite(values)):
        value = values[row, column]
        dark = luminance(cells.to_rgba(value)[:3]) < LUMINANCE  # either letter then has a contrast of 4.5:1
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if dark else "black", size=8)
    axes.invert_yaxis()
    axes.xaxis.set_label_position("top")
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

    That needs no package and no seed, and is straight: what is near in the picture is near in these two directions, and
    the picture says how much of the variance they hold. The vectors are those that are searched, so units where the
    model means cosines. An interest's length says nothing about its list: each is drawn at the items' mean length.

    Args:
        items: vectors `[n, D]`.
        history: `[T, D]`.
        interests: `[K, D]`.
    """
    centre, length = items.mean(axis=0), np.linalg.norm(items, axis=1).mean()
    centred = items - centre
    variance, axes = np.linalg.eigh(centred.T @ centred)  # rising; [D], [D, D]
    variance, axes = np.maximum(variance[::-1], 0.0), axes[:, :-3:-1]  # [D], [D, 2]
    # A component's sign is the library's whim: here its largest entry is positive.
    axes = axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0))
    share = variance[:2] / max(variance.sum(), 1e-12)
    placed, history, interests = ((one - centre) @ axes for one in (items, history, length * unit(interests)))
    return Plane(placed, history, interests, share)


def draw_items(pyplot, told, plane: Plane, interest, category, live):
    """The retrieved items by interest, and again by category where there are any; the history; the interests.

    Args:
        pyplot: of `tools.views.figures.open_pyplot`.
        told: what stands above.
        plane: where they lie.
        interest: `[n]`, which retrieved the item, with the largest score.
        category: `[n]` texts, "" for none; None where the data set has none.
        live: `[K]`.
    """
    by_interest = [(f"interest {interest_number(k)}", interest == k) for k in range(len(live))]
    panels: dict[str, tuple] = {"by interest": (by_interest, interest_colour)}
    if category is not None:
        panels["by category"] = groups(category), lambda row: COLOURS[row % len(COLOURS)]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.5 * len(panels), 5), squeeze=False)
    for one, (title, (parts, colour)) in zip(axes[0], panels.items(), strict=True):
        one.scatter(*plane.history.T, s=75, facecolors="none", edgecolors=INK, linewidths=0.9, label="ring: history")
        for row, (name, chosen) in enumerate(parts):
            if chosen.any():
                look = {"color": INK, "marker": "."}
                look = look if name == OTHER else {"color": colour(row), "marker": MARKS[row % len(MARKS)]}
                one.scatter(
                    *plane.items[chosen].T, s=22, linewidths=0, label=f"{shorten(name, 16)} ({chosen.sum()})", **look
                )
        one.set(title=title, xticks=[], yticks=[], aspect="equal", adjustable="datalim")
        one.set_xlabel(f"{plane.share[0]:.0%} of the variance across, {plane.share[1]:.0%} up")
        one.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.08), fontsize=8)
    for k, point in enumerate(plane.interests):
        if live[k]:
            axes[0, 0].scatter(*point, marker="*", s=450, color=interest_colour(k), edgecolors=INK, zorder=3)
            axes[0, 0].annotate(
                str(interest_number(k)), point, ha="center", va="center", color="white", weight="bold", size=7, zorder=4
            )
    headline(figure, told)
    return figure


def groups(category):
    """`(name, [n] bool)` of the categories that most items have, and of all other items."""
    largest = [name for name, _ in Counter(name for name in category.tolist() if name).most_common(NAMED)]
    return [*((name, category == name) for name in largest), (OTHER, ~np.isin(category, largest))]


def draw_similarity(pyplot, told, curve, step, cosine):
    """How alike interests are: over training, where there is a history, and each two of them.

    Args:
        pyplot: of `tools.views.figures.open_pyplot`.
        told: what stands above.
        curve: steps, and the mean cosine at each; None where there are none.
        step: of the checkpoint; None where it is not known.
        cosine: `[K, K]`.
    """
    interest_num = len(cosine)
    widths, height = [1.0 + 0.55 * interest_num], 1.0 + 0.5 * interest_num
    widths = [5.2, *widths] if curve else widths
    size = (sum(widths), max(height, 2.6))
    figure, axes = pyplot.subplots(1, len(widths), figsize=size, squeeze=False, width_ratios=widths)
    if curve:
        axes[0, 0].plot(*curve, ".-", color=COLOURS[0])
        axes[0, 0].set(title="mean of two interests, valid", xlabel="step", ylabel="cosine")
        if step is not None:
            axes[0, 0].axvline(step, color=INK, linestyle=":", label="this checkpoint")
            axes[0, 0].legend(frameon=False)
    heat(axes[0, -1], cosine, "PuOr", (-1.0, 1.0))
    axes[0, -1].set(title="each two, test", aspect="equal")
    places = range(interest_num)
    numbers = [f"{interest_number(row)}" for row in places]
    axes[0, -1].set(xticks=places, xticklabels=numbers, yticks=places, yticklabels=numbers)
    for labels in (axes[0, -1].get_xticklabels(), axes[0, -1].get_yticklabels()):
        heads(labels)
    headline(figure, told)
    return figure
