"""How probable the next item is, from scores and from how popular items are."""

import paddle
from paddle import nn

KNOTS = 16  # of a popularity curve


class Likelihood(nn.Layer):
    """How probable the next item is, from scores f.

        P(j | u) ∝ softplus(alpha f(u, j) - beta)^p         alpha, beta and p are learned

    Factors of counts are nearer to probabilities than to their logarithms, so that the softmax of f fits badly. This
    is a power of f where f is large, and a softmax where it is well below beta / alpha.

    Args:
        values: the training users' items.
        item_count: V, row 0 included.
    """

    def __init__(self, values, item_count):
        super().__init__()
        count = paddle.bincount(paddle.to_tensor(values), minlength=item_count).astype("float32")
        self.item_num = item_count - 1
        self.taken, self.wanted = PopularityCurve(count), PopularityCurve(count)
        self.shape = self.create_parameter(
            [3], default_initializer=nn.initializer.Constant(0.0)
        )  # log alpha, beta, log p

    def mass(self, item, score):
        """What probabilities are proportional to: ids, and scores before q."""
        scale, shift, power = self.shape.unbind()
        score = score * (scale.exp() * self.wanted(item)).expand_as(score) - shift
        # Not `**`, whose gradient takes several times as long on a CPU.
        return paddle.exp(power.exp() * paddle.log(nn.functional.softplus(score) + 1e-6))

    def forward(self, target_item, score, share, negative, other):
        """Mean cross-entropy of the items that followed.

        Args:
            target_item, score, share: what followed, its scores, and how much of an event each item is: `[B, T]`.
            negative, other: uniform negatives `[n]` and their scores `[B, n]`; they stand for the whole catalogue.
        """
        rest = self.mass(negative, other).mean(axis=1, keepdim=True) * self.item_num  # [B, 1]
        return (share * paddle.log1p(rest / self.mass(target_item, score))).sum(axis=1).mean()


class PopularityCurve(nn.Layer):
    """A weight of each item by how popular it is: the exponential of a broken line over log(1 + count).

    Args:
        count: of each item, `[V]`.
    """

    def __init__(self, count):
        super().__init__()
        log = paddle.log1p(count)
        place = (KNOTS - 1) * log / log.max()
        self.near = paddle.clip(
            1.0 - (place.unsqueeze(1) - paddle.arange(KNOTS, dtype="float32")).abs(), min=0.0
        )  # [V, KNOTS]
        self.height = self.create_parameter([KNOTS], default_initializer=nn.initializer.Constant(0.0))

    def forward(self, item):
        """Of ids `[...]`."""
        return paddle.exp(paddle.matmul(nn.functional.embedding(item, self.near), self.height))
