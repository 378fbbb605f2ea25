"""Self-attention over histories, compiled; needs numba and SciPy. The formulas are in `self_attention.py`.

Only real behaviours are computed with. Users are shared among threads in blocks, whose hidden layer stays in a core's
cache; the result does not depend on how many threads there are.
"""

import numba
import numpy as np

from models.layers.jit import ONE, add, dot, exp, inline, parallel

USERS = 16  # of a block
TWO = np.float32(2.0)


@inline()
def _tanh(x):
    """`tanh(x)` to 1e-7."""
    shrunk = exp(-TWO * abs(x))
    return np.copysign((ONE - shrunk) / (ONE + shrunk), x)


@inline()
def _softmax(logits, attention, place):
    """Over a user's behaviours, `[R, K]`, into their places of `[K, T]`."""
    for k in range(logits.shape[1]):
        top, total = logits[0, k], np.float32(0.0)
        for r in range(1, len(place)):
            top = max(top, logits[r, k])
        for r in range(len(place)):
            logits[r, k] = exp(logits[r, k] - top)
            total += logits[r, k]
        for r in range(len(place)):
            attention[k, place[r]] = logits[r, k] / total


@parallel()
def attend(item_eb, position, first, second, start, place):
    """Interests `[B, K, D]` and attention `[B, K, T]`, and of the real behaviours `tanh(W1 H)` `[R, U]` and H `[R, D]`.

    Args:
        item_eb: `[B, T, D]`.
        position: learned positions, `[T, D]`.
        first, second: W1 and W2, `[D, U]` and `[K, U]`.
        start: where each user's real behaviours begin, `[B + 1]`.
        place: at which position each is, `[R]`.
    """
    users, length, size = item_eb.shape
    interest_num, units = second.shape
    shown, hidden = np.empty((len(place), size), np.float32), np.empty((len(place), units), np.float32)
    interests = np.zeros((users, interest_num, size), np.float32)
    attention = np.zeros((users, interest_num, length), np.float32)
    for block in numba.prange((users + USERS - 1) // USERS):
        begin, end = block * USERS, min((block + 1) * USERS, users)
        low, high = start[begin], start[end]
        for b in range(begin, end):
            for r in range(start[b], start[b + 1]):
                for d in range(size):
                    shown[r, d] = item_eb[b, place[r], d] + position[place[r], d]
        np.dot(shown[low:high], first, hidden[low:high])
        logits = np.empty((high - low, interest_num), np.float32)
        for r in range(low, high):
            for u in range(units):
                hidden[r, u] = _tanh(hidden[r, u])
            for k in range(interest_num):
                logits[r - low, k] = dot(hidden[r], second[k])
        for b in range(begin, end):
            if start[b] < start[b + 1]:
                _softmax(logits[start[b] - low : start[b + 1] - low], attention[b], place[start[b] : start[b + 1]])
            for r in range(start[b], start[b + 1]):
                for k in range(interest_num):
                    add(attention[b, k, place[r]], item_eb[b, place[r]], interests[b, k])
    return interests, attention, hidden, shown


@parallel()
def attend_back(by_interest, by_attention, attention, item_eb, shown, hidden, first, second, start, place):
    """Gradients by the behaviours `[B, T, D]`, positions, W1 and W2, of those by interests and attention.

    Each block of users has its own part of the last three, `[blocks, …]`: who adds them up does so in one order.
    """
    users, length, size = item_eb.shape
    interest_num, units = second.shape
    blocks = (users + USERS - 1) // USERS
    by_item, by_position = np.zeros(item_eb.shape, np.float32), np.zeros((blocks, length, size), np.float32)
    by_first = np.empty((blocks, size, units), np.float32)
    by_second = np.zeros((blocks, interest_num, units), np.float32)
    for block in numba.prange(blocks):
        begin, end = block * USERS, min((block + 1) * USERS, users)
        low, high = start[begin], start[end]
        by_logit = np.empty((high - low, interest_num), np.float32)
        by_hidden = np.zeros((high - low, units), np.float32)
        for b in range(begin, end):
            for k in range(interest_num):
                mean = np.float32(0.0)
                for r in range(start[b], start[b + 1]):
                    slope = dot(by_interest[b, k], item_eb[b, place[r]]) + by_attention[b, k, place[r]]
                    by_logit[r - low, k] = slope
                    mean += attention[b, k, place[r]] * slope
                for r in range(start[b], start[b + 1]):
                    by_logit[r - low, k] = attention[b, k, place[r]] * (by_logit[r - low, k] - mean)
                    add(attention[b, k, place[r]], by_interest[b, k], by_item[b, place[r]])
        for r in range(low, high):
            for k in range(interest_num):
                add(by_logit[r - low, k], second[k], by_hidden[r - low])
                add(by_logit[r - low, k], hidden[r], by_second[block, k])
            for u in range(units):
                by_hidden[r - low, u] *= ONE - hidden[r, u] * hidden[r, u]
        np.dot(shown[low:high].T, by_hidden, by_first[block])
        by_shown = np.dot(by_hidden, first.T)
        for b in range(begin, end):
            for r in range(start[b], start[b + 1]):
                add(ONE, by_shown[r - low], by_item[b, place[r]])
                add(ONE, by_shown[r - low], by_position[block, place[r]])
    return by_item, by_position, by_first, by_second
