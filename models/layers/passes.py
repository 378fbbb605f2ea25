"""Compiled passes of layers: functions on arrays, each with its way back; see `Pass`.

The plain formulas are in the modules whose layers take them. A pass of an extractor takes behaviours `[B, T, D]`,
weights, a mask `[B, T]` and constants, and gives interests `[B, K, D]` and the coupling `[B, K, T]`.
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


def routing(item_eb, weight, mask, logits, rounds):
    """As `CapsuleNetwork.route`; the coupling is constant going back.

    Args:
        item_eb, mask: as above.
        weight: `[D, M D]`, of M matrices S, one or K: column m D + d is of the m-th.
        logits: of the first round, `[B, K, T]`.
        rounds: at least 1.
    """
    from models.layers import routing_kernels

    size = len(weight)
    matrices = np.ascontiguousarray(weight.reshape(size, -1, size).transpose(1, 0, 2))  # [M, D, D]
    transposed = np.ascontiguousarray(matrices.transpose(0, 2, 1))
    grams = np.matmul(matrices, transposed)
    interests, coupling, pooled, capsule = routing_kernels.route(item_eb, matrices, grams, mask, logits, rounds)

    def back(gradient, _=None):
        by_capsule, by_item = routing_kernels.route_back(gradient, coupling, capsule, transposed)
        by_matrices = routing_kernels.by_matrices(pooled, by_capsule, len(matrices))
        return by_item, np.ascontiguousarray(by_matrices.transpose(1, 0, 2)).reshape(weight.shape)

    return (interests, coupling), back


def position_routing(item_eb, weight, mask, logits, rounds):
    """As `routing`, with a matrix per position and interest; `weight` is `[1, longest T, K D, D]`."""
    from models.layers import position_kernels

    users, interest_num, length = logits.shape
    matrices = weight[0, :length]
    behaviour = position_kernels.transform(item_eb, matrices, mask).reshape(length, users, interest_num, -1)
    interests, coupling, capsule = position_kernels.route(behaviour, mask, logits, rounds)

    def back(gradient, _=None):
        by_item, by_matrices = position_kernels.route_back(gradient, coupling, capsule, item_eb, matrices, mask)
        by_weight = np.zeros_like(weight)
        by_weight[0, :length] = by_matrices
        return by_item, by_weight

    return (interests, coupling), back


def self_attention(item_eb, position, first, second, mask):
    """As `SelfAttention.route`.

    Args:
        item_eb, mask: as above.
        position: `[1, longest T, D]`.
        first, second: `[D, U]` and `[U, K]`.
    """
    from models.layers import attention_kernels

    length = mask.shape[1]
    user, place = np.nonzero(mask)  # of the real behaviours
    start = np.searchsorted(user, np.arange(len(mask) + 1))
    constants = (first, np.ascontiguousarray(second.T), start, place)
    interests, shares, hidden, shown = attention_kernels.attend(item_eb, position[0, :length], *constants)

    def back(by_interests, by_shares=None):
        by_shares = np.zeros_like(shares) if by_shares is None else by_shares
        kept = (shares, item_eb, shown, hidden, *constants)
        by_item, *parts = attention_kernels.attend_back(by_interests, by_shares, *kept)
        own, by_first, by_second = (one.sum(axis=0) for one in parts)
        by_position = np.zeros_like(position)
        by_position[0, :length] = own
        return by_item, by_position, by_first, np.ascontiguousarray(by_second.T)

    return (interests, shares), back


def mean(item_eb, mask):
    """As `MeanPooling.route`."""
    coupling = (mask / np.maximum(mask.sum(axis=1, keepdims=True), 1))[:, None]  # [B, 1, T]

    def back(gradient, _=None):
        return (coupling[:, 0, :, None] * gradient,)

    return (np.matmul(coupling, item_eb), coupling), back


def nothing(coupling):
    """0, without a gradient by the coupling `[B, K, T]`."""
    return (np.float32(0.0),), lambda gradient: ()


def unevenness(coupling, weight):
    """D² times `models.remi.routing_variance`, weighted, the mean over users: `[B, K, T]` and a number to a scalar."""
    centred = coupling - coupling.mean(axis=2, keepdims=True)
    spread, weight = np.square(centred).sum(axis=2, keepdims=True), np.float32(weight / len(coupling))

    def back(gradient):
        return (np.float32(4.0) * gradient * weight * spread * centred,)  # centred sums to 0: the mean counts none

    return (np.asarray(weight * np.square(spread).sum()),), back


def layers(vector, *weights):
    """As `models.layers.tower.Tower`, of `[…, D]`; `weights` are W and b of each layer. Without any, the vector."""
    from models.layers.jit import product

    inputs, matrices = [vector.reshape(-1, vector.shape[-1])], weights[::2]
    for matrix, bias in zip(matrices, weights[1::2], strict=True):
        inputs.append(product(inputs[-1], matrix) + bias)
        if len(inputs) <= len(matrices):
            np.maximum(inputs[-1], 0, out=inputs[-1])

    def back(gradient):
        by_output, by_weights = gradient.reshape(inputs[-1].shape), []
        for matrix, one in zip(matrices[::-1], inputs[-2::-1], strict=True):
            by_weights += [by_output.sum(axis=0), product(one.T, by_output)]  # from the last to the first
            by_output = product(by_output, matrix.T)
            if one is not inputs[0]:
                by_output *= one > 0
        return by_output.reshape(vector.shape), *by_weights[::-1]

    return (inputs[-1].reshape(*vector.shape[:-1], -1),), back


def chosen(interests, target_eb, live):
    """The live interest of `[B, K, D]` that scores highest for each target, `[B, M, D]`; gradient reaches it alone."""
    from models.layers import read_out_kernels

    user, number = read_out_kernels.choose(interests, target_eb, live)

    def back(gradient):
        return (read_out_kernels.choose_back(gradient, number, interests.shape[1]),)

    return (user,), back
