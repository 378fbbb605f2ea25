"""Differences of two systems: hand-computed, and what their p means."""

import numpy as np
import pytest

from tools.evaluation.compare import difference, holm, sign_flips


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_sign_flips_of_few_users_is_the_exact_share():
    """Of 8 choices of signs of 1, 2 and 3 only two are as far from 0 as all alike: p = 1/4."""
    assert sign_flips(np.array([1.0, 2.0, 3.0])) == pytest.approx(0.25, abs=0.02)
    assert sign_flips(np.zeros(5)) == 1.0


def test_chance_is_called_a_difference_as_often_as_the_level_says():
    rng = np.random.default_rng(0)
    values = [sign_flips(rng.normal(size=40)) for _ in range(200)]
    assert np.mean(np.array(values) < 0.05) == pytest.approx(0.05, abs=0.04)
    assert np.mean(values) == pytest.approx(0.5, abs=0.08)


def test_seeds_are_averaged_and_users_are_paired():
    rng = np.random.default_rng(1)
    easy = rng.random(300)  # users differ far more than systems do
    second = np.stack([easy, easy])
    first = np.stack([easy + 0.02, easy, easy + 0.01]) + rng.normal(scale=0.01, size=(3, 300))
    found = difference(first, second)
    assert found.mean == pytest.approx(0.01, abs=0.002)
    assert found.low < 0.01 < found.high
    assert found.high - found.low < 0.01
    assert found.p == 1e-4
    assert difference(second, second).p == 1.0
