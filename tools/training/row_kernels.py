"""Compiled updates of parameters and of the rows that a step looked up, in place; needs numba. See `optimizers`.

An id may come several times: its gradients are summed first, in their order. Rows are shared among threads; the result
does not depend on how many there are.
"""

import numba
import numpy as np

from models.layers.jit import alone, inline, parallel


@numba.njit(cache=True)
def group(ids):
    """Where each id stands: `(unique, start, place)`, the places of `unique[u]` are `place[start[u]:start[u + 1]]`."""
    count = len(ids)
    size = 16
    while size < 2 * count:
        size *= 2
    slots, number = np.full(size, -1, np.int32), np.empty(count, np.int32)
    unique, start = np.empty(count, np.int64), np.zeros(count + 2, np.int64)
    found = 0
    for i in range(count):
        slot = (ids[i] * 0x9E3779B1 >> 7) & (size - 1)
        while slots[slot] >= 0 and unique[slots[slot]] != ids[i]:
            slot = (slot + 1) & (size - 1)
        if slots[slot] < 0:
            slots[slot], unique[found] = found, ids[i]
            found += 1
        number[i] = slots[slot]
        start[number[i] + 2] += 1
    start, place = np.cumsum(start), np.empty(count, np.int64)
    for i in range(count):
        place[start[number[i] + 1]] = i
        start[number[i] + 1] += 1
    return unique[:found], start[: found + 1], place


@inline()
def _add_up(total, gradient, place):
    total[:] = gradient[place[0]]
    for i in range(1, len(place)):
        total += gradient[place[i]]


@inline()
def _adam(value, moment1, moment2, gradient, numbers):
    rate, epsilon, beta1, rest1, beta2, rest2 = numbers
    for d in range(len(value)):
        moment1[d] = beta1 * moment1[d] + rest1 * gradient[d]
        moment2[d] = beta2 * moment2[d] + rest2 * gradient[d] * gradient[d]
        value[d] -= rate * (moment1[d] / (np.sqrt(moment2[d]) + epsilon))


@parallel()
def adam_rows(table, moment1, moment2, gradient, groups, numbers):
    """Adam's update of the rows; `numbers` as in `adam`."""
    unique, start, place = groups
    for u in numba.prange(len(unique)):
        total, row = np.empty(table.shape[1], np.float32), unique[u]
        _add_up(total, gradient, place[start[u] : start[u + 1]])
        _adam(table[row], moment1[row], moment2[row], total, numbers)


@alone()
def adam(value, moment1, moment2, gradient, numbers):
    """Adam's update of `[N]`.

    Args:
        value, moment1, moment2, gradient: `[N]`.
        numbers: rate and epsilon, which carry the bias correction, and the betas, each with one less itself: computed
            here, the compiler might put `x - beta x` for `(1 - beta) x`, which loses three digits. All are float32.
    """
    _adam(value, moment1, moment2, gradient, numbers)


@parallel()
def adagrad(table, moment, gradient, groups, rate, epsilon):
    """Row-wise Adagrad's update of the rows; `moment` is `[V, 1]`."""
    unique, start, place = groups
    size = table.shape[1]
    for u in numba.prange(len(unique)):
        total, row, squares = np.empty(size, np.float32), table[unique[u]], np.float32(0.0)
        _add_up(total, gradient, place[start[u] : start[u + 1]])
        for d in range(size):
            squares += total[d] * total[d]
        moment[unique[u], 0] += squares / size
        step = rate / (np.sqrt(moment[unique[u], 0]) + epsilon)
        for d in range(size):
            row[d] -= step * total[d]
