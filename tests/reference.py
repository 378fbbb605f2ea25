"""The papers' algorithms in float64 NumPy, straight from the text, one user at a time; and the golden figures."""

import json
import math
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "golden"


def golden(name):
    """Arrays of a reference case: inputs, weights and outputs of public code (`tests/golden/README.md`)."""
    figures = json.loads((GOLDEN / f"{name}.json").read_text())
    return {key: np.array(one["values"]).reshape(one["shape"]) for key, one in figures.items()}


def squash(z, p=1.0):
    norm = math.sqrt(float(z @ z))
    return np.zeros_like(z) if norm == 0 else (norm**2 / (1 + norm**2)) ** p * z / norm


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def route_user(e_hat, b, live_num, rounds, axis, p=1.0, couplings=None):
    """ComiRec Algorithm 1 and MIND Algorithm 1 for one user without padding.

    Args:
        e_hat: û, `[n, K, D]`: behaviour i as interest j sees it.
        b: initial logits `[K, n]`.
        live_num: K'.
        axis: `interests` or `items`, what the softmax runs over.
        couplings: given, the last round uses this c: for finite differences with c held fixed.

    Returns:
        `(interests [K, D], coupling [K, n])`; dead interests are zero.
    """
    n, interest_num, size = e_hat.shape
    b = b.astype(np.float64).copy()
    for _ in range(rounds):
        c = np.zeros((interest_num, n))
        if axis == "interests":
            for i in range(n):
                c[:live_num, i] = softmax(b[:live_num, i])
        else:
            raise AssertionError("the other variant is held by the golden figures")
        if couplings is not None:
            c = couplings
        v = np.zeros((interest_num, size))
        for j in range(live_num):
            z = sum((c[j, i] * e_hat[i, j] for i in range(n)), np.zeros(size))
            v[j] = squash(z, p)
        for i in range(n):
            for j in range(live_num):
                b[j, i] += v[j] @ e_hat[i, j]
    return v, c


def transform(kind, e, weight):
    """û `[n, K, D]` of one user's behaviours `e` `[n, D]`.

    Args:
        kind: bilinear type.
        weight: type 0 `[D, D]`, 1 `[K, D, D]`, 2 `[T, K, D, D]`; a matrix is applied as `matrix @ e_i`.
    """
    if kind == 0:
        return np.einsum("de,ne->nd", weight, e)[:, None].repeat(INTERESTS, 1)
    if kind == 1:
        return np.einsum("kde,ne->nkd", weight, e)
    return np.einsum("nkde,ne->nkd", weight[: len(e)], e)


INTERESTS = 4
