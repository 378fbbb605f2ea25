"""What negatives are drawn from: distributions over items 1…V."""

import math

import paddle
from paddle import nn


class Sampler(nn.Layer):
    """A distribution over items.

    Args:
        item_num: V, without padding.
        alpha: for `Unigram`, the exponent of the counts.
    """

    def __init__(self, *, item_num, alpha=1.0):
        super().__init__()
        self.item_num = item_num

    def count_items(self, count, order=None):
        """Learn how popular items are, see `Recommender.count_items`; most samplers don't ask."""

    def draw(self, count, target_item):
        """`[count]` ids, independent, for a step that trains the targets `[B, M]`."""
        raise NotImplementedError(f"{type(self).__name__} has no draw")

    def log_probability(self, item):
        """`log q(i)` of each id, float32."""
        raise NotImplementedError(f"{type(self).__name__} has no log_probability")


class LogUniform(Sampler):
    """`q(i) = log((r + 1) / r) / log(V + 1)`, r = 1…V the rank of item i by falling popularity: Zipf-like.

    Ranks are ids until `count_items` is called with another order.
    """

    ranks = None  # where they are not ids: item of each rank, rank of each item, `[V + 1]` both

    def count_items(self, count, order=None):
        """Take the ranks from `order`, see `Sampler.count_items`."""
        self.ranks = None
        if order is not None:
            item = paddle.concat([paddle.zeros([1], "int64"), paddle.to_tensor(order, "int64")])
            self.ranks = item, paddle.argsort(item)  # a permutation and its inverse

    def draw(self, count, target_item):
        """By inversion of the distribution function `log(r + 1) / log(V + 1)`."""
        log_range = math.log(self.item_num + 1)
        rank = paddle.exp(paddle.rand([count], dtype="float64") * log_range).astype("int64")
        rank = paddle.clip(rank, 1, self.item_num)
        return rank if self.ranks is None else paddle.gather(self.ranks[0], rank)

    def log_probability(self, item):
        """`log q(i)` of each id, float32."""
        rank = item if self.ranks is None else paddle.gather(self.ranks[1], item.flatten()).reshape(item.shape)
        rank = rank.astype("float64")  # float32 loses log1p(1/r) from a few million on
        return (paddle.log(paddle.log1p(1.0 / rank)) - math.log(math.log(self.item_num + 1))).astype("float32")


class Uniform(Sampler):
    """`q(i) = 1 / V`, i = 1…V."""

    def draw(self, count, target_item):
        """`[count]` ids, independent."""
        return paddle.randint(1, self.item_num + 1, [count], dtype="int64")

    def log_probability(self, item):
        """`log q(i)` of each id, float32."""
        return paddle.full_like(item, -math.log(self.item_num), dtype="float32")


class Unigram(Sampler):
    """`q(i) = count_i^alpha / sum_j count_j^alpha`; uniform until `count_items` is called.

    An item that stands nowhere in the training data counts as once, since it may be a target of another split.
    """

    def __init__(self, *, item_num, alpha=1.0):
        super().__init__(item_num=item_num)
        self.alpha = alpha
        for name in ("log_q", "cumulative"):
            self.register_buffer(name, paddle.zeros([item_num + 1], "float64"), persistable=False)
        self._follow(paddle.ones([item_num + 1], "float64"))

    def count_items(self, count, order=None):
        """Learn how often each item stands in the training data, an array `[V + 1]`; padding is left out."""
        self._follow(paddle.to_tensor(count, "float64"))

    def _follow(self, count):
        log_weight = self.alpha * paddle.log(paddle.clip(count[1:], min=1.0))
        log_q = log_weight - paddle.logsumexp(log_weight)  # [V]
        self.log_q.set_value(paddle.concat([paddle.zeros([1], "float64"), log_q]))
        self.cumulative.set_value(paddle.concat([paddle.zeros([1], "float64"), paddle.cumsum(paddle.exp(log_q))]))

    def draw(self, count, target_item):
        """By inversion of the distribution function."""
        place = paddle.searchsorted(self.cumulative, paddle.rand([count], dtype="float64"), right=True)
        return paddle.clip(place, 1, self.item_num)

    def log_probability(self, item):
        """`log q(i)` of each id, float32."""
        return paddle.gather(self.log_q, item.flatten()).reshape(item.shape).astype("float32")


class InBatch(Unigram):
    """The batch's own targets, which come with the probability that the data gives them: `count_i / sum_j count_j`."""

    def __init__(self, *, item_num, alpha=1.0):
        super().__init__(item_num=item_num, alpha=1.0)

    def draw(self, count, target_item):
        """The targets, whatever `count`, without missing ones: up to `[B·M]`."""
        target_item = target_item.flatten()
        return target_item[target_item > 0]


class AllItems(Uniform):
    """The whole catalogue, each item once."""

    def draw(self, count, target_item):
        """`[V]`: 1…V, whatever `count`."""
        return paddle.arange(1, self.item_num + 1, dtype="int64")


SAMPLERS = {"log_uniform": LogUniform, "uniform": Uniform, "unigram": Unigram, "in_batch": InBatch}
