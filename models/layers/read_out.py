"""Read-out: the one vector of a user that is trained against a target."""

import math

import paddle
from paddle import nn

from models.layers.compiled import Pass, array, usable
from models.layers.passes import chosen


class LabelAwareAttention(nn.Layer):
    """`v_u = V softmax(pow(Vᵀ e, p))` over the live interests: MIND section 3.4, ComiRec eq. 8 at infinite p.

    Args:
        pow_p: p. 0 is the mean, `inf` the interest that scores highest (the lowest index on a tie; gradient reaches
            only that one); between them the power is `sign(x) exp(min(p log(max(|x|, 1e-6)), 80))`, whose value and
            gradient are finite for every score.
    """

    def __init__(self, *, pow_p=math.inf):
        super().__init__()
        self.pow_p = pow_p
        cases = {0: self._mean, math.inf: self._hard}
        self.weigh = cases.get(pow_p, self._soft)

    def forward(self, interests, target_eb, live):
        """Interests `[B, K, D]`, M targets `[B, M, D]` and live mask `[B, K]` to a vector for each, `[B, M, D]`."""
        if self.pow_p == math.inf and usable(interests):
            return Pass.apply(chosen, (array(target_eb), live.numpy()), interests)[0]
        scores = paddle.matmul(target_eb, interests, transpose_y=True)  # [B, M, K]
        return paddle.matmul(self.weigh(scores, live.unsqueeze(1)), interests)

    def _mean(self, scores, live):
        alive = live.astype(scores.dtype)
        return (alive / alive.sum(axis=2, keepdim=True)).expand([-1, scores.shape[1], -1])

    def _hard(self, scores, live):
        chosen = paddle.argmax(_only_live(scores, live), axis=2)
        return nn.functional.one_hot(chosen, scores.shape[2])

    def _soft(self, scores, live):
        magnitude = paddle.clip(scores.abs(), min=1e-6)
        power = paddle.sign(scores) * paddle.exp(paddle.clip(self.pow_p * paddle.log(magnitude), max=80.0))
        # On a CPU, Paddle's softmax of -inf is 1e-28, not 0.
        return nn.functional.softmax(_only_live(power, live), axis=2) * live.astype(scores.dtype)


def _only_live(scores, live):
    return paddle.where(live, scores, paddle.full_like(scores, -math.inf))
