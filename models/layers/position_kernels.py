"""Dynamic routing with one matrix per position and interest, compiled; needs numba and SciPy. See `capsule.py`.

Only real behaviours are computed with. Positions are shared among threads, then users; the result does not depend on
how many threads there are.
"""

import numba
import numpy as np

from models.layers.jit import add, dot, inline, parallel
from models.layers.routing_kernels import couple, shrink, squash, squash_back


@parallel()
def transform(item_eb, weight, mask):
    """`W_ij e_i` of real behaviours, others not set: `[B, T, D]`, `[T, K D, D]` and mask `[B, T]` to `[T, B, K D]`."""
    users, length, _ = item_eb.shape
    behaviour = np.empty((length, users, weight.shape[1]), np.float32)
    for t in numba.prange(length):
        real = np.flatnonzero(mask[:, t])
        found = np.dot(item_eb[:, t][real], weight[t].T)
        for n in range(len(real)):
            behaviour[t, real[n]] = found[n]
    return behaviour


@inline()
def _pool(coupling, behaviour, real, capsule):
    """`z_j = sum_i c_ij W_ij e_i`, of `[K, T]`, `[T, K, D]` and the real positions, into `[K, D]`."""
    capsule[:] = 0
    for k in range(len(capsule)):
        for i in range(len(real)):
            add(coupling[k, real[i]], behaviour[real[i], k], capsule[k])


@parallel()
def route(behaviour, mask, logits, rounds):
    """Interests `[B, K, D]`, coupling `[B, K, T]`, and for the backward pass the capsules before `squash`.

    Args:
        behaviour: `[T, B, K, D]`, as `transform` gives it.
        mask, logits, rounds: as in `routing_kernels.route`.
    """
    users, interest_num, length = logits.shape
    shape = (users, interest_num, behaviour.shape[3])
    interests, capsule, coupling = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty_like(logits)
    for b in numba.prange(users):
        real, logit = np.flatnonzero(mask[b]), logits[b].copy()
        top, total = np.empty(length, np.float32), np.empty(length, np.float32)
        for _ in range(rounds - 1):
            couple(logit, mask[b], coupling[b], top, total)
            _pool(coupling[b], behaviour[:, b], real, capsule[b])
            for k in range(interest_num):
                scale = shrink(dot(capsule[b, k], capsule[b, k]))
                for i in range(len(real)):
                    logit[k, real[i]] += scale * dot(capsule[b, k], behaviour[real[i], b, k])
        couple(logit, mask[b], coupling[b], top, total)
        _pool(coupling[b], behaviour[:, b], real, capsule[b])
        for k in range(interest_num):
            squash(capsule[b, k], interests[b, k])
    return interests, coupling, capsule


@parallel()
def route_back(gradient, coupling, capsule, item_eb, weight, mask):
    """Gradients by the behaviours `[B, T, D]` and by the matrices `[T, K D, D]`; the coupling is constant."""
    users, interest_num, size = gradient.shape
    length = coupling.shape[2]
    by_capsule, by_item = np.empty_like(gradient), np.zeros((users, length, size), np.float32)
    by_weight = np.empty((length, interest_num * size, size), np.float32)
    for b in numba.prange(users):
        for k in range(interest_num):
            squash_back(gradient[b, k], capsule[b, k], by_capsule[b, k])
    for t in numba.prange(length):
        real = np.flatnonzero(mask[:, t])
        by_behaviour = np.zeros((len(real), interest_num, size), np.float32)
        for n in range(len(real)):
            for k in range(interest_num):
                add(coupling[real[n], k, t], by_capsule[real[n], k], by_behaviour[n, k])
        flat = by_behaviour.reshape((len(real), interest_num * size))
        np.dot(flat.T, item_eb[:, t][real], by_weight[t])
        by_rows = np.dot(flat, weight[t])
        for n in range(len(real)):
            by_item[real[n], t] = by_rows[n]
    return by_item, by_weight
