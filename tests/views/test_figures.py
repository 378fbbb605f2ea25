"""What every picture keeps: texts that can be read, titles in the middle, nothing cut off, one colour an interest."""

import numpy as np
import pytest
from contrast import contrast

from tools.common.interests import interest_colour
from tools.views import curves, pictures
from tools.views.figures import COLOURS, INK, PAPER, open_pyplot

pytestmark = pytest.mark.extras

K, T, N = 4, 6, 40
TOLD = "mind, user 388: a text above that is longer than the picture is wide, so that it has to take several lines"


def coupling(pyplot):
    weights = np.linspace(0, 1, K * T).reshape(K, T)
    return pictures.draw_coupling(pyplot, TOLD, [f"Film {item}" * item for item in range(T)], weights, np.ones(K, bool))


def items(pyplot):
    rng = np.random.default_rng(0)
    plane = pictures.project(rng.normal(size=(N, 8)), rng.normal(size=(T, 8)), 9 * rng.normal(size=(K, 8)))
    category = np.array([f"kind {item % 5}" for item in range(N)])
    return pictures.draw_items(pyplot, TOLD, plane, np.arange(N) % K, category, np.ones(K, bool))


def similarity(pyplot):
    curve = ([10, 20, 30], [0.7, 0.5, 0.4])
    return pictures.draw_similarity(pyplot, TOLD, curve, 20, np.linspace(-1, 1, K * K).reshape(K, K))


def training(pyplot):
    run = {"train/loss": ([1, 2, 3], [3.0, 2.0, 1.0]), "valid/recall@50": ([1, 3], [0.1, 0.2])}
    return curves.draw(pyplot, {"one": run, "other": run}, list(run))


@pytest.fixture(params=[coupling, items, similarity, training], ids=lambda draw: draw.__name__)
def figure(request):
    """A picture, and what it looks like."""
    pyplot = open_pyplot()
    drawn = request.param(pyplot)
    drawn.canvas.draw()
    yield drawn
    pyplot.close(drawn)


def texts(figure):
    """Texts that are seen, and their boxes in pixels."""
    from matplotlib.text import Text

    axis = [one for axes in figure.axes for one in (axes.xaxis, axes.yaxis)]
    beyond = [
        label
        for one in axis
        for tick in one.get_major_ticks()
        if not min(one.get_view_interval()) <= tick.get_loc() <= max(one.get_view_interval())
        for label in (tick.label1, tick.label2)
    ]
    for text in figure.findobj(lambda one: isinstance(one, Text) and one.get_visible() and one.get_text().strip()):
        if text not in beyond:
            yield text, text.get_window_extent()


def test_every_text_can_be_read(figure):
    from matplotlib.colors import to_hex

    pixels = np.asarray(figure.canvas.buffer_rgba())[::-1]  # from below, as boxes count
    seen = 0
    for text, box in texts(figure):
        part = pixels[max(int(box.y0), 0) : int(box.y1) + 1, max(int(box.x0), 0) : int(box.x1) + 1, :3]
        colours, counts = np.unique(part.reshape(-1, 3), axis=0, return_counts=True)
        assert contrast(to_hex(text.get_color()), colours[counts.argmax()]) >= 4.5, text.get_text()
        seen += 1
    assert seen > 8


def test_nothing_is_cut_off_and_what_stands_above_is_centred(figure):
    width, height = figure.canvas.get_width_height()
    for text, box in texts(figure):
        assert -1 <= box.x0 <= box.x1 <= width + 1, text.get_text()
        assert -1 <= box.y0 <= box.y1 <= height + 1, text.get_text()
    for title, axes in ((one.title, one.bbox) for one in figure.axes if one.get_title()):
        box = title.get_window_extent()
        assert (box.x0 + box.x1) / 2 == pytest.approx((axes.x0 + axes.x1) / 2, abs=1)
    if figure.get_suptitle():
        box = figure._suptitle.get_window_extent()
        assert (box.x0 + box.x1) / 2 == pytest.approx(width / 2, abs=1)


def test_interests_have_their_colours_and_rings_are_explained():
    from matplotlib.colors import to_hex

    pyplot = open_pyplot()
    figure = items(pyplot)
    for axes in figure.axes:
        assert "ring: history" in [text.get_text() for text in axes.get_legend().get_texts()]
    drawn = {one.get_label(): to_hex(one.get_facecolor()[0]) for one in figure.axes[0].collections[1:]}
    assert {f"interest {k + 1} ({N // K})": interest_colour(k) for k in range(K)}.items() <= drawn.items()
    pyplot.close(figure)


def test_heads_of_columns_have_the_interests_colours():
    from matplotlib.colors import to_hex

    pyplot = open_pyplot()
    figure = coupling(pyplot)
    heads = [to_hex(label.get_bbox_patch().get_facecolor()) for label in figure.axes[0].get_xticklabels()]
    assert heads == [interest_colour(k) for k in range(len(heads))]
    assert len(heads) == K
    pyplot.close(figure)


def test_the_picture_of_a_history_says_which_item_is_the_oldest():
    pyplot = open_pyplot()
    figure = coupling(pyplot)
    (axes,) = figure.axes
    assert axes.get_ylabel() == "history, oldest first"
    assert axes.get_yticklabels()[0].get_position()[1] == 0
    assert axes.yaxis_inverted()  # so that the first row stands above
    pyplot.close(figure)


def test_the_loss_says_what_its_thick_line_is():
    pyplot = open_pyplot()
    figure = training(pyplot)
    assert figure.axes[0].get_xlabel() == "step; thick: mean of the last 20 points"
    assert figure.axes[1].get_xlabel() == "step"
    pyplot.close(figure)


def test_ink_and_marks_stand_out_from_the_paper():
    assert contrast(INK, PAPER) >= 4.5
    assert all(contrast(one, PAPER) >= 3 for one in COLOURS)  # what WCAG 2.1 asks of graphics (1.4.11)
