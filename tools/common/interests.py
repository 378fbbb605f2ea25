"""How interests are numbered and coloured wherever people see them: tables, JSON, pictures, the explorer, Python."""

import colorsys
from functools import cache

FIRST = 1  # the number of the interest in row 0 of an array
GOLDEN_ANGLE = 137.5  # degrees between the hues of neighbours: any number of them differ
BLUE, SATURATION = 210.0, 0.6  # hue of the first one, in degrees
LUMINANCE = 0.179  # of all: contrast 4.5:1 with white and with black, as a mark and under a number


def interest_number(row):
    """What the interest in a row of an array, or each one of an array of rows, is called."""
    return row + FIRST


@cache
def interest_colour(row) -> str:
    """The colour of the interest in a row of an array, `#rrggbb`; never the only thing that tells it from others."""
    hue = (BLUE + row * GOLDEN_ANGLE) % 360 / 360
    low, high = 0.0, 1.0
    for _ in range(20):  # luminance rises with lightness
        middle = (low + high) / 2
        if luminance(colorsys.hls_to_rgb(hue, middle, SATURATION)) < LUMINANCE:
            low = middle
        else:
            high = middle
    return "#" + "".join(f"{round(255 * one):02x}" for one in colorsys.hls_to_rgb(hue, low, SATURATION))


def luminance(rgb) -> float:
    """Relative luminance of red, green and blue from 0 to 1, as WCAG 2 defines it."""
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
