"""The few functions that several parts of a model share."""

import math

import paddle

EPSILON = 1e-18  # added to squared norms: value and gradient stay finite at the zero vector


def squash(capsule, power=1.0):
    """Shrink a capsule to a length below 1 and keep its direction.

    `squash(z) = (|z|^2 / (1 + |z|^2))^p * z / |z|`: MIND eq. 7 at `power` 1; lower powers shrink short capsules less.

    Args:
        capsule: `[..., D]`.
        power: p in [0, 1]; 0 leaves a unit vector.

    Returns:
        `[..., D]`, zero where the capsule is zero.
    """
    squared_norm = paddle.sum(paddle.square(capsule), axis=-1, keepdim=True) + EPSILON  # [..., 1]
    # The larger operand first: Paddle takes eight times as long to spread the first one, on a CPU.
    return capsule * ((squared_norm / (1.0 + squared_norm)) ** power * paddle.rsqrt(squared_norm))


def l2_normalize(vector):
    """Scale `[..., D]` to unit length along the last axis; the zero vector stays zero."""
    return vector * paddle.rsqrt(paddle.sum(paddle.square(vector), axis=-1, keepdim=True) + EPSILON)


def tanh(hidden):
    """`tanh(x)`, written over x in a dynamic step: x must be a result that no gradient needs, as a linear layer's."""
    return paddle.tanh_(hidden) if paddle.in_dynamic_mode() else paddle.tanh(hidden)


def drop(values, share):
    """Dropout: so much of the values is 0, the rest is scaled to the same mean. `share` counts in steps of 1/65536.

    By 16 random bits a value; Paddle's own takes three times as long on a CPU. Not for a static program.
    """
    number = math.prod(values.shape)
    bits = paddle.randint(-(2**31), 2**31 - 1, [(number + 1) // 2], dtype="int32").view("int16")
    dropped = round(65536 * share)
    kept = (bits[:number] >= dropped - 32768).astype(values.dtype).reshape(values.shape)
    return values * kept.scale_(65536 / (65536 - dropped))


def same_ids(left, right):
    """Which ids are equal, broadcast as `==` does: bool, of both shapes together.

    Expanded by hand: where both sides grow, Paddle's own broadcast takes six to ten times as long on a CPU. Not for a
    user tower: exports know no `broadcast_tensors`.
    """
    return paddle.equal(*paddle.broadcast_tensors([left.astype("int32"), right.astype("int32")]))


def length_mask(seq_len, maxlen):
    """Which positions of a right-padded history are real: `[B]` lengths to `[B, maxlen]` of 1.0 and 0.0."""
    number = paddle.ones([maxlen], "int64").cumsum()  # 1…T; `arange` takes 2.5 times as long
    return (seq_len.unsqueeze(1).expand([-1, maxlen]) >= number).astype("float32")


def live_mask(seq_len, interest_num, dynamic):
    """Which interests a user of this history length has.

    `K'_u = max(1, min(K, floor(log2 |I_u|)))`: MIND eq. 9, where `dynamic`; all K otherwise.

    Args:
        seq_len: `[B]`, the length after the cut at `maxlen`.
        interest_num: K.
        dynamic: whether K'_u follows the length.

    Returns:
        `[B, K]` bool; the live interests come first.
    """
    if not dynamic:
        return paddle.ones([paddle.shape(seq_len)[0], interest_num], "bool")
    # Interest j (from 1) lives from length 2^j on, the first always: no logarithm, so no rounding at powers of two.
    interest = paddle.arange(1, interest_num + 1)
    shortest = 2**interest * (interest > 1).astype("int64")  # [K]
    return seq_len.unsqueeze(1) >= shortest.astype(seq_len.dtype)  # [B, K]
