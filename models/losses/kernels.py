"""Compiled passes over sampled scores; need numba and SciPy. What each computes is in `models.losses.objective`.

A pass gives of each row `[R]` its part of the mean loss and the gradient by its positive's score, and gradients of the
mean by the scores of the negatives `[R, n]` and, all together, by the user `[R, D]`. Rows are shared among threads in
blocks, whose scores stay in a core's cache; the result does not depend on how many threads there are.
"""

import math

import numba
import numpy as np

from models.layers.jit import ONE, dot, exp, inline, parallel

NEVER = np.float32(-1e30)  # a score that has no share, whose multiples are still numbers
ROWS, COLUMNS = 64, 320  # of a block


@inline()
def _positive(user, target_eb, correction, share, scale):
    """The score of a row's target; 0 for one that is missing, whose correction may be no number."""
    return scale * dot(user, target_eb) - correction if share > 0 else np.float32(0.0)


@inline()
def _back(score, candidate_eb, slope, target_eb, by_user):
    """Gradients by the users of a block, of those by its scores."""
    np.dot(score, candidate_eb, by_user)
    for i in range(len(slope)):
        for d in range(by_user.shape[1]):
            by_user[i, d] += slope[i] * target_eb[i, d]


@inline()
def _softmax(row, positive, log_q, own, candidate, share, scale):
    """A row's loss and its gradient by the positive; `row` holds scores before the correction, then their gradient."""
    top = positive
    for j in range(len(row)):
        row[j] = NEVER if candidate[j] == own else scale * row[j] - log_q[j]
        top = max(top, row[j])
    first = exp(positive - top)
    total = first
    for j in range(len(row)):
        row[j] = exp(row[j] - top)
        total += row[j]
    each = share * scale / total
    for j in range(len(row)):
        row[j] *= each
    return share * (math.log(total) + top - positive), first * each - share * scale


@parallel()
def sampled_softmax(user, target_eb, candidate_eb, correction, log_q, target, candidate, share, scale):
    """`SampledSoftmax`.

    Args:
        user, target_eb, candidate_eb: `[R, D]`, `[R, D]`, `[n, D]`.
        correction: taken from the positives' scores, `[R]`.
        log_q: `[n]`, `log(n q_i)` of the candidates.
        target, candidate: ids, `[R]` and `[n]`.
        share: `[R]`, of each row in the mean; 0 where the target is missing.
        scale: multiplies the scores; 1 over the temperature.
    """
    rows = len(user)
    score, by_user = np.empty((rows, len(candidate_eb)), np.float32), np.empty(user.shape, np.float32)
    loss, slope = np.empty(rows, np.float32), np.empty(rows, np.float32)
    for block in numba.prange((rows + ROWS - 1) // ROWS):
        start, end = block * ROWS, min((block + 1) * ROWS, rows)
        np.dot(user[start:end], candidate_eb.T, score[start:end])
        for i in range(start, end):
            positive = _positive(user[i], target_eb[i], correction[i], share[i], scale)
            loss[i], slope[i] = _softmax(score[i], positive, log_q, target[i], candidate, share[i], scale)
        _back(score[start:end], candidate_eb, slope[start:end], target_eb[start:end], by_user[start:end])
    return loss, slope, score, by_user


@inline()
def _hard(row, positive, beta, own, candidate, share, scale):
    """As `_softmax`."""
    top, allowed = NEVER, np.float32(0.0)
    for j in range(len(row)):
        same = candidate[j] == own
        row[j] = NEVER if same else scale * row[j]
        allowed += np.float32(0.0) if same else ONE
        top = max(top, row[j])
    weights, both = np.float32(0.0), np.float32(0.0)
    for j in range(len(row)):
        weight = exp(beta * (row[j] - top))
        weights += weight
        both += weight * exp(row[j] - top)
    distance = math.log(both * max(allowed, ONE) / weights) + top - positive
    chance = share * scale * np.float32(1.0 / (1.0 + math.exp(-distance)))
    up, down = chance * (ONE + beta) / both, chance * beta / weights
    for j in range(len(row)):
        weight = exp(beta * (row[j] - top))
        row[j] = up * weight * exp(row[j] - top) - down * weight
    return share * (max(distance, np.float32(0.0)) + math.log1p(math.exp(-abs(distance)))), -chance


@parallel()
def hard_negatives(user, target_eb, candidate_eb, correction, beta, target, candidate, share, scale):
    """`HardNegativeSoftmax`; arguments as above."""
    rows = len(user)
    score, by_user = np.empty((rows, len(candidate_eb)), np.float32), np.empty(user.shape, np.float32)
    loss, slope = np.empty(rows, np.float32), np.empty(rows, np.float32)
    for block in numba.prange((rows + ROWS - 1) // ROWS):
        start, end = block * ROWS, min((block + 1) * ROWS, rows)
        np.dot(user[start:end], candidate_eb.T, score[start:end])
        for i in range(start, end):
            positive = _positive(user[i], target_eb[i], correction[i], share[i], scale)
            loss[i], slope[i] = _hard(score[i], positive, beta, target[i], candidate, share[i], scale)
        _back(score[start:end], candidate_eb, slope[start:end], target_eb[start:end], by_user[start:end])
    return loss, slope, score, by_user


@parallel()
def by_candidate(score, user):
    """Gradient by the candidates `[n, D]`, of that by the scores `[R, n]`, and the users `[R, D]`."""
    columns = score.shape[1]
    gradient = np.empty((columns, user.shape[1]), np.float32)
    for block in numba.prange((columns + COLUMNS - 1) // COLUMNS):
        start, end = block * COLUMNS, min((block + 1) * COLUMNS, columns)
        np.dot(np.ascontiguousarray(score[:, start:end]).T, user, gradient[start:end])
    return gradient
