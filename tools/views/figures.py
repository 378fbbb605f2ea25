"""How every picture is drawn and saved; needs the extra plot."""

import contextlib
import io
import textwrap
import warnings
from pathlib import Path
from typing import Any

from tools.common.errors import UserError
from tools.common.files import atomic_path

PAPER, INK = "#ffffff", "#595959"  # contrast 7:1, whatever the page around a picture
COLOURS = ("#2a7fd4", "#d96f00", "#2f9e55", "#b0559e", "#8a7a20")  # of marks: 3:1 with white
STYLE: dict[str, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "", "text.parse_math": False, "font.size": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3,
    "figure.constrained_layout.use": True,
    **{f"{part}.facecolor": PAPER for part in ("figure", "axes", "savefig")},
    **{f"{part}.color": INK for part in ("text", "xtick", "ytick", "grid")},
    "axes.edgecolor": INK, "axes.labelcolor": INK,
}  # fmt: skip


def open_pyplot():
    """Matplotlib's pyplot, without a window; a `UserError` without the extra."""
    matplotlib = _matplotlib()
    matplotlib.use("agg")
    matplotlib.rcParams.update(STYLE)
    from matplotlib import pyplot

    return pyplot


@contextlib.contextmanager
def styled():
    """As `open_pyplot`, within a program that has its own backend and style: these are as they were afterwards."""
    matplotlib = _matplotlib()
    from matplotlib import pyplot

    with matplotlib.rc_context(STYLE):
        yield pyplot


def _matplotlib():
    try:
        import matplotlib
    except ImportError:
        raise UserError("plots need an extra; install it with: pip install '.[plot]'") from None
    return matplotlib


class Picture:
    """A picture that a notebook shows and that can be saved.

    Args:
        draw: what draws a figure, given pyplot.
    """

    def __init__(self, draw):
        with styled() as pyplot, io.BytesIO() as file:
            self.figure = draw(pyplot)
            self.figure.savefig(file, format="png", dpi=100)
            self.png = file.getvalue()
            pyplot.close(self.figure)

    def _repr_png_(self):
        return self.png

    def save(self, path):
        """Write it as .svg, .png or another kind that matplotlib knows by the name's end."""
        with styled():
            save(self.figure, Path(path))


def headline(figure, told):
    """A text above a figure, centred, in as many lines as its width needs."""
    figure.suptitle(textwrap.fill(told, int(10 * figure.get_figwidth())))  # letters an inch


def save(figure, path):
    """Write a figure, and close it; the same one gives the same file."""
    from matplotlib import pyplot

    kind = path.suffix[1:]
    undated = {"Date": None} if kind == "svg" else {}
    with atomic_path(path) as temporary, warnings.catch_warnings():
        if kind == "svg":  # who shows it may have the letters that our font lacks
            warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(temporary, format=kind, dpi=150, metadata=undated)
    pyplot.close(figure)
