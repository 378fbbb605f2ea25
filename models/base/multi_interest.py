"""What gradient models with several interests add to `GradientModel`."""

import math

import paddle

from models.base.gradient_model import GradientModel
from models.layers.functional import l2_normalize
from models.layers.read_out import LabelAwareAttention


class MultiInterestModel(GradientModel):
    """A `GradientModel` with K interests and label-aware attention.

    Args:
        interest_num: K.
        dynamic_interest_num: whether K'_u follows the length of the history, see `live_mask`.
        pow_p: the read-out's p, see `LabelAwareAttention`.
        interest_spread_weight: weight of `-D_output`, see `interest_spread`.
        options: what `GradientModel` takes.
    """

    def __init__(
        self, *, interest_num=4, dynamic_interest_num=False, pow_p=math.inf, interest_spread_weight=0.0, **options
    ):
        super().__init__(**options)
        self.interest_num, self.dynamic_interest_num = interest_num, dynamic_interest_num
        self.read_out = LabelAwareAttention(pow_p=pow_p)
        self.interest_spread_weight = interest_spread_weight

    def regularize(self, loss, interests, coupling, hist_eb, hist_item, seq_len):
        """The loss and, weighted, how alike a user's interests are."""
        if not self.interest_spread_weight:
            return loss
        spread = interest_spread(interests, self.live_interests(seq_len))
        return loss - self.interest_spread_weight * paddle.mean(spread)


def interest_spread(interests, live):
    """`D_output = -(1/K²) sum_ij cos(v_i, v_j)` over a user's live interests: `[B, K, D]`, `[B, K]` to `[B]`.

    A quantity to maximise: -1 where all interests are one, up to 0 where they cancel out.
    """
    alive = live.astype(interests.dtype)
    total = (l2_normalize(interests) * alive.unsqueeze(2)).sum(axis=1)  # sum_ij cos = |sum_i v_i / |v_i||²
    return -paddle.square(total).sum(axis=1) / paddle.square(alive.sum(axis=1))
