"""Numbers and colours of interests."""

from itertools import combinations

import numpy as np
import pytest
from contrast import contrast

from tools.common.interests import interest_colour, interest_number


def test_interests_count_from_one():
    assert interest_number(0) == 1
    assert interest_number(np.array([0, 3])).tolist() == [1, 4]


@pytest.mark.parametrize("row", range(16))
def test_a_colour_can_be_read_on_white_and_on_black_and_under_white_letters(row):
    assert contrast(interest_colour(row), "#ffffff") >= 4.5
    assert contrast(interest_colour(row), "#000000") >= 4.5


def test_colours_of_neighbours_differ():
    def rgb(row):
        return np.array([int(interest_colour(row)[at : at + 2], 16) for at in (1, 3, 5)])

    assert min(np.linalg.norm(rgb(one) - rgb(other)) for one, other in combinations(range(8), 2)) > 30
