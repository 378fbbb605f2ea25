"""Compiled updates of the rows that a step looked up, in place; needs numba. For the formulas see `optimizers`.

An id may come several times: its gradients are summed first, in their order. Rows are shared among threads; the result
does not depend on how many there are.
"""

import numba
import numpy as np

from models.layers.jit import inline, parallel


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


@parallel()
def adam(table, moment1, moment2, gradient, groups, rate, beta1, beta2, epsilon):
    """Adam's update of the rows; `rate` and `epsilon` carry the bias correction. All numbers are float32."""
    unique, start, place = groups
    size, one = table.shape[1], np.float32(1.0)
    for u in numba.prange(len(unique)):
        total = np.empty(size, np.float32)
        _add_up(total, gradient, place[start[u] : start[u + 1]])
        row, first, second = table[unique[u]], moment1[unique[u]], moment2[unique[u]]
        for d in range(size):
            first[d] = beta1 * first[d] + (one - beta1) * total[d]
            second[d] = beta2 * second[d] + (one - beta2) * total[d] * total[d]
            row[d] -= rate * (first[d] / (np.sqrt(second[d]) + epsilon))


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
