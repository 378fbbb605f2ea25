"""Dynamic routing of one user after another, compiled; needs numba and SciPy. The formulas are in `capsule.py`.

Users are shared among threads; the result does not depend on how many there are.
"""

import numba
import numpy as np

from models.layers.jit import ONE, alone, dot, exp, inline, parallel

EPSILON = np.float32(1e-18)  # as in `models.layers.functional.squash`


@inline()
def _combine(weight, rows, out):
    """`out = weight rows`: `[K, N]` and `[N, D]` to `[K, D]`."""
    whole = rows.shape[0] // 4 * 4
    out[:] = 0
    for n in range(0, whole, 4):  # four rows at once: `out` is read and written a fourth as often
        for k in range(weight.shape[0]):
            w0, w1, w2, w3 = weight[k, n], weight[k, n + 1], weight[k, n + 2], weight[k, n + 3]
            for d in range(rows.shape[1]):
                out[k, d] += w0 * rows[n, d] + w1 * rows[n + 1, d] + w2 * rows[n + 2, d] + w3 * rows[n + 3, d]
    for n in range(whole, rows.shape[0]):
        for k in range(weight.shape[0]):
            for d in range(rows.shape[1]):
                out[k, d] += weight[k, n] * rows[n, d]


@inline()
def _transform(vectors, matrices, out):
    """`out_k = vectors_k S_k`; one S may serve all k."""
    if len(matrices) == 1:
        _combine(vectors, matrices[0], out)
    else:
        for k in range(len(matrices)):
            _combine(vectors[k : k + 1], matrices[k], out[k : k + 1])


@inline()
def couple(logit, mask, coupling, top, total):
    """Softmax over interests, 0 at padding; `top` and `total` are room for `[T]`."""
    top[:], total[:] = logit[0], 0
    for k in range(1, logit.shape[0]):
        for t in range(logit.shape[1]):
            top[t] = max(top[t], logit[k, t])
    for k in range(logit.shape[0]):
        for t in range(logit.shape[1]):
            coupling[k, t] = exp(logit[k, t] - top[t])
            total[t] += coupling[k, t]
    for k in range(logit.shape[0]):
        for t in range(logit.shape[1]):
            coupling[k, t] *= mask[t] / total[t]


@inline()
def shrink(squared_norm):
    """What `squash` multiplies a capsule by."""
    square = max(squared_norm, np.float32(0.0)) + EPSILON
    return np.sqrt(square) / (ONE + square)


@inline()
def squash(capsule, interest):
    """`interest = squash(capsule)`, of `[D]`."""
    scale = shrink(dot(capsule, capsule))
    for d in range(len(capsule)):
        interest[d] = scale * capsule[d]


@inline()
def squash_back(gradient, capsule, by_capsule):
    """The gradient by a capsule `[D]`, of that by its interest."""
    square = dot(capsule, capsule) + EPSILON
    root = np.sqrt(square)
    scale = root / (ONE + square)
    along = dot(gradient, capsule) * (ONE - square) / (root * (ONE + square) * (ONE + square))
    for d in range(len(capsule)):
        by_capsule[d] = scale * gradient[d] + along * capsule[d]


@parallel()
def route(item_eb, matrices, grams, mask, logits, rounds):
    """Interests and coupling, and for the backward pass the pooled behaviours and the capsules before `squash`.

    With p_j = sum_i c_ij e_i, `z_j = S p_j`. Rounds before the last need of it `|z_j|² = p_j · G p_j` and
    `z_j · û_ij = G p_j · e_i` alone, `G = Sᵀ S`: one product in place of two.

    Args:
        item_eb: `[B, T, D]`.
        matrices, grams: S and G, `[1, D, D]` or one for each interest `[K, D, D]`.
        mask: `[B, T]`.
        logits: `[B, K, T]`, of the first round.
        rounds: at least 1.
    """
    users, interest_num, length = logits.shape
    shape = (users, interest_num, item_eb.shape[2])
    interests, pooled, capsule = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.float32)
    coupling = np.empty(logits.shape, np.float32)
    for b in numba.prange(users):
        logit, query = logits[b].copy(), np.empty(shape[1:], np.float32)
        top, total = np.empty(length, np.float32), np.empty(length, np.float32)
        for _ in range(rounds - 1):
            couple(logit, mask[b], coupling[b], top, total)
            _combine(coupling[b], item_eb[b], pooled[b])
            _transform(pooled[b], grams, query)
            for k in range(interest_num):
                scale = shrink(dot(query[k], pooled[b, k]))
                for t in range(length):
                    logit[k, t] += scale * dot(query[k], item_eb[b, t])
        couple(logit, mask[b], coupling[b], top, total)
        _combine(coupling[b], item_eb[b], pooled[b])
        _transform(pooled[b], matrices, capsule[b])
        for k in range(interest_num):
            squash(capsule[b, k], interests[b, k])
    return interests, coupling, pooled, capsule


@parallel()
def route_back(gradient, coupling, capsule, transposed):
    """Gradients by the capsules before `squash` `[B, K, D]` and by the behaviours `[B, T, D]`; coupling is constant."""
    users, interest_num, size = gradient.shape
    length = coupling.shape[2]
    by_capsule, by_item = np.empty(gradient.shape, np.float32), np.empty((users, length, size), np.float32)
    for b in numba.prange(users):
        by_pooled = np.empty((interest_num, size), np.float32)
        for k in range(interest_num):
            squash_back(gradient[b, k], capsule[b, k], by_capsule[b, k])
        _transform(by_capsule[b], transposed, by_pooled)
        _combine(coupling[b].T, by_pooled, by_item[b])
    return by_capsule, by_item


@alone()
def by_matrices(pooled, by_capsule, count):
    """Gradient by S, `[count, D, D]`, one for all or one for each interest, of what `route` and `route_back` give."""
    _, interest_num, size = pooled.shape
    gradient = np.empty((count, size, size), np.float32)
    if count == 1:
        np.dot(pooled.reshape(-1, size).T, by_capsule.reshape(-1, size), gradient[0])
    else:
        for k in range(interest_num):
            rows, by_rows = np.ascontiguousarray(pooled[:, k]), np.ascontiguousarray(by_capsule[:, k])
            np.dot(rows.T, by_rows, gradient[k])
    return gradient
