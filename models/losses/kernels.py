"""Compiled passes over the sampled logits, in place; needs numba. What each computes is in `models.losses.objective`.

A pass turns the scores `[R, n]` of the rows' negatives into the gradient of the mean loss by them, and gives each row's
part of the mean and its gradient by the positive's score. Rows are shared among threads; the result does not depend on
how many there are.
"""

import math

import numba
import numpy as np

from models.layers.jit import exp, parallel

NEVER = np.float32(-1e30)  # a score that has no share, whose multiples are still numbers


@parallel()
def sampled_softmax(score, positive, log_q, target, candidate, share, scale):
    """`SampledSoftmax`: loss `[R]` and its gradient by the positive `[R]`, from scores `[R, n]` before the correction.

    Args:
        score: `[R, n]`; holds the gradient afterwards.
        positive: `[R]`, scaled and corrected.
        log_q: `[n]`, `log(n q_i)` of the candidates.
        target, candidate: ids, `[R]` and `[n]`.
        share: `[R]`, of each row in the mean.
        scale: multiplies the scores; 1 over the temperature.
    """
    rows, columns = score.shape
    loss, slope = np.empty(rows, np.float32), np.empty(rows, np.float32)
    for i in numba.prange(rows):
        top, row, own = positive[i], score[i], target[i]
        for j in range(columns):
            row[j] = NEVER if candidate[j] == own else scale * row[j] - log_q[j]
            top = max(top, row[j])
        first = exp(positive[i] - top)
        total = first
        for j in range(columns):
            row[j] = exp(row[j] - top)
            total += row[j]
        each = share[i] * scale / total
        for j in range(columns):
            row[j] *= each
        loss[i] = share[i] * (math.log(total) + top - positive[i])
        slope[i] = first * each - share[i] * scale
    return loss, slope


@parallel()
def hard_negatives(score, positive, beta, target, candidate, share, scale):
    """`HardNegativeSoftmax`: loss `[R]` and its gradient by the positive `[R]`; arguments as above."""
    rows, columns = score.shape
    loss, slope = np.empty(rows, np.float32), np.empty(rows, np.float32)
    for i in numba.prange(rows):
        top, row, own, allowed = NEVER, score[i], target[i], np.float32(0.0)
        for j in range(columns):
            same = candidate[j] == own
            row[j] = NEVER if same else scale * row[j]
            allowed += np.float32(0.0) if same else np.float32(1.0)
            top = max(top, row[j])
        weights, both = np.float32(0.0), np.float32(0.0)
        for j in range(columns):
            weight = exp(beta * (row[j] - top))
            weights += weight
            both += weight * exp(row[j] - top)
        negative = math.log(both * max(allowed, np.float32(1.0)) / weights) + top
        distance = negative - positive[i]
        chance = share[i] * scale * np.float32(1.0 / (1.0 + math.exp(-distance)))
        up, down = chance * (np.float32(1.0) + beta) / both, chance * beta / weights
        for j in range(columns):
            weight = exp(beta * (row[j] - top))
            row[j] = up * weight * exp(row[j] - top) - down * weight
        loss[i] = share[i] * (max(distance, np.float32(0.0)) + math.log1p(math.exp(-abs(distance))))
        slope[i] = -chance
    return loss, slope
