"""The hard read-out of one user after another, compiled; needs numba. For the formula see `models.layers.read_out`."""

import numpy as np

from models.layers.jit import alone, dot


@alone()
def choose(interests, target, live):
    """Of each target `[B, M, D]` the live interest of `[B, K, D]` that scores highest, `[B, M, D]`, and its number.

    The lowest number on a tie. What is no number counts as highest, so that it is not lost.
    """
    users, targets, _ = target.shape
    user, chosen = np.empty(target.shape, np.float32), np.zeros((users, targets), np.int64)
    for b in range(users):
        for m in range(targets):
            best = np.float32(-np.inf)
            for k in range(interests.shape[1]):
                score = dot(interests[b, k], target[b, m])
                if live[b, k] and best == best and not score <= best:
                    best, chosen[b, m] = score, k
            user[b, m] = interests[b, chosen[b, m]]
    return user, chosen


@alone()
def choose_back(gradient, chosen, interest_num):
    """Gradient by the interests `[B, K, D]` of the gradient by what was chosen, `[B, M, D]`."""
    users, targets, size = gradient.shape
    by_interest = np.zeros((users, interest_num, size), np.float32)
    for b in range(users):
        for m in range(targets):
            for d in range(size):
                by_interest[b, chosen[b, m], d] += gradient[b, m, d]
    return by_interest
