"""Two systems measured on the same users: how they differ, and whether that may be chance."""

from typing import NamedTuple

import numpy as np

from tools.evaluation.report import DRAWN_AT_ONCE, SEED, bootstrap

FLIPS = 10_000  # of signs, so that the smallest p is 0.0001


class Difference(NamedTuple):
    """How a system differs from another, in the unit of the metric."""

    mean: float
    low: float  # of the 95 % interval over users, by bootstrap
    high: float
    p: float  # of so large a mean where each user's sign is chance


def difference(first, second) -> Difference:
    """Of two systems' values of the same users.

    Args:
        first, second: a metric of each seed and user, `[S, U]`; a user's seeds are averaged, and their numbers may
            differ. NaN where a user has none.
    """
    of_users = np.nanmean(first, axis=0) - np.nanmean(second, axis=0)
    of_users = of_users[np.isfinite(of_users)].astype(np.float64)
    low, high = bootstrap(of_users[:, None])[:, 0]
    return Difference(float(of_users.mean()), float(low), float(high), sign_flips(of_users))


def sign_flips(of_users) -> float:
    """Two-sided p of the paired randomization test (Fisher): the share of `FLIPS` choices of signs, the observed one
    included, whose mean is at least as far from 0. `[U]`."""
    rng, observed, as_large = np.random.default_rng(SEED), abs(of_users.sum()), 1
    block = max(1, DRAWN_AT_ONCE // len(of_users))
    for start in range(1, FLIPS, block):
        signs = rng.integers(0, 2, (min(block, FLIPS - start), len(of_users)), np.int8) * 2 - 1
        as_large += int((np.abs(signs @ of_users) >= observed - 1e-12).sum())
    return as_large / FLIPS


def holm(values) -> list[float]:
    """p values corrected for their number, so that the chance of any false alarm stays below a level (Holm, 1979)."""
    corrected, largest = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=lambda one: values[one])):
        largest = max(largest, min(1.0, (len(values) - rank) * values[place]))
        corrected[place] = largest
    return corrected
