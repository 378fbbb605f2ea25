"""What compiled passes share: how they are compiled, and the exponential; needs numba."""

import math
import os
from functools import partial

import numba
import numpy as np

SAFE = {"contract", "reassoc", "arcp", "nsz", "afn"}  # NaN stays NaN, infinity infinity
# A division by zero is no error but infinite, as in numpy: a loop that may end in an error does not vectorise.
OPTIONS = {"fastmath": SAFE, "error_model": "numpy"}
inline = partial(numba.njit, inline="always", **OPTIONS)
alone = partial(numba.njit, cache=True, **OPTIONS)  # in the calling thread: to wake others takes some 50 µs
parallel = partial(numba.njit, parallel=True, cache=True, **OPTIONS)
if not {"NUMBA_THREADING_LAYER", "NUMBA_THREADING_LAYER_PRIORITY"} & os.environ.keys():
    # TBB's threads wait for a moment before they sleep: 15 to 20 % off a step. Paddle's Linux packages have TBB. The
    # next choice is numba's own threads, which sleep at once. OpenMP's spin: on a busy machine four times as long.
    numba.config.THREADING_LAYER_PRIORITY = ["tbb", "workqueue", "omp"]
LOG2_E = np.float32(1.4426950408889634)
ONE = np.float32(1.0)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
TAYLOR = tuple(np.float32(1.0 / math.factorial(order)) for order in range(2, 8))


@inline()
def exp(x):
    """`exp(x)` of x <= 0 to 1e-7 of its value, 0 below -87; without a call, so that loops of it vectorise."""
    safe = x if x > np.float32(-87.0) or x != x else np.float32(-87.0)
    power = np.floor(safe * LOG2_E + np.float32(0.5))
    rest = safe - power * LN2_HIGH - power * LN2_LOW  # |rest| <= log(2) / 2
    a2, a3, a4, a5, a6, a7 = TAYLOR
    series = ((((a7 * rest + a6) * rest + a5) * rest + a4) * rest + a3) * rest + a2
    value = (series * rest * rest + rest + ONE) * np.int32((np.int32(power) + 127) << 23).view(np.float32)
    return np.float32(0.0) if x < np.float32(-87.0) else value


@inline()
def dot(one, other):
    """Inner product of two vectors."""
    total = np.float32(0.0)
    for d in range(len(one)):
        total += one[d] * other[d]
    return total


@inline()
def add(weight, row, total):
    """`total += weight row`."""
    for d in range(len(row)):
        total[d] += weight * row[d]


@alone()
def product(left, right):
    """`left right` of matrices, in the calling thread: numpy's own goes on spinning in others for a while."""
    return np.dot(left, right)
