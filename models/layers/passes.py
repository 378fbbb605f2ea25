"""Compiled passes of layers: functions on arrays, each with its way back; see `Pass`.

The plain formulas are in `models.layers.capsule` and `models.layers.read_out`.
"""

import math

import numpy as np


def cut(rows, shapes):
    """Rows `[R, D]` as parts of some shapes `[…, D]`, which are given without D and share the memory."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    return [part.reshape(*shape, rows.shape[1]) for part, shape in zip(np.split(rows, ends), shapes, strict=True)]


def parts(rows, shapes):
    """As `cut`; Paddle's `split` copies."""

    def back(*gradients):
        return (np.concatenate([one.reshape(-1, rows.shape[1]) for one in gradients]),)

    return cut(rows, shapes), back


def routing(item_eb, matrices, mask, logits, rounds):
    """Interests `[B, K, D]` and the coupling `[B, K, T]` of all rounds; the coupling is constant going back.

    Args:
        item_eb: behaviours, `[B, T, D]`.
        matrices: S, `[M, D, D]`; M is 1 or K.
        mask, logits: `[B, T]` and the first round's, `[B, K, T]`.
        rounds: at least 1.
    """
    from models.layers import routing_kernels

    transposed = np.ascontiguousarray(matrices.transpose(0, 2, 1))
    grams = np.matmul(matrices, transposed)
    interests, coupling, pooled, capsule = routing_kernels.route(item_eb, matrices, grams, mask, logits, rounds)

    def back(gradient, _=None):
        by_capsule, by_item = routing_kernels.route_back(gradient, coupling, capsule, transposed)
        return by_item, routing_kernels.by_matrices(pooled, by_capsule, len(matrices))

    return (interests, coupling), back


def chosen(interests, target_eb, live):
    """The live interest of `[B, K, D]` that scores highest for each target, `[B, M, D]`; gradient reaches it alone."""
    from models.layers import read_out_kernels

    user, number = read_out_kernels.choose(interests, target_eb, live)

    def back(gradient):
        return (read_out_kernels.choose_back(gradient, number, interests.shape[1]),)

    return (user,), back
