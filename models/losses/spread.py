"""A term that parts a user's interests."""

import paddle

from models.layers.functional import l2_normalize


def interest_spread(interests, live):
    """`D_output = -(1/K²) sum_ij cos(v_i, v_j)` over a user's live interests: `[B, K, D]`, `[B, K]` to `[B]`.

    A quantity to maximise: -1 where all interests are one, up to 0 where they cancel out.
    """
    alive = live.astype(interests.dtype)
    total = (l2_normalize(interests) * alive.unsqueeze(2)).sum(axis=1)  # sum_ij cos = |sum_i v_i / |v_i||²
    return -paddle.square(total).sum(axis=1) / paddle.square(alive.sum(axis=1))
