"""Models of which an item has a few neighbours, and the history votes for them."""

import paddle

from models.base.recommender import Recommender
from models.layers.functional import length_mask


class Neighbours(Recommender):
    """Scores of all items: the sum over the history of how near each of its items has them.

    Only the nearest `neighbors` of an item score. `fit` finds them by `keep`.

    Args:
        item_count, maxlen: see `Recommender`.
        neighbors: N, neighbours an item keeps.
    """

    gives_scores = True
    has_onnx = False  # `put_along_axis` with a sum

    def __init__(self, *, item_count, maxlen, neighbors):
        super().__init__(item_count=item_count, maxlen=maxlen)
        self.rank_of = None  # by popularity, `[item_count]`; None: ids are ranks
        self.register_buffer("neighbor", paddle.zeros([item_count, neighbors], "int64"))  # 0: there are fewer
        self.register_buffer("weight", paddle.zeros([item_count, neighbors]))

    def count_items(self, count, order=None):
        """Take the order in which ties are broken, see `Recommender.count_items`."""
        self.rank_of = None
        if order is not None:
            self.rank_of = paddle.argsort(paddle.concat([paddle.zeros([1], "int64"), paddle.to_tensor(order)])).numpy()

    def keep(self, parts):
        """Keep the nearest of each item.

        Args:
            parts: `(item, other, nearness)` arrays of some items after the others, all pairs of an item in one part,
                sorted by both; of equally near ones the more popular comes first.
        """
        neighbor, weight = self.neighbor.numpy(), self.weight.numpy()
        neighbor[:], weight[:] = 0, 0.0
        for item, other, nearness in parts:
            nearness[item == other] = 0.0
            order = (other if self.rank_of is None else self.rank_of[other]).argsort(kind="stable")
            order = order[(-nearness[order]).argsort(kind="stable")]
            order = order[item[order].argsort(kind="stable")]  # item after item, the nearest first
            item, other, nearness = item[order], other[order], nearness[order]
            rank = paddle.arange(len(item)).numpy() - item.searchsorted(item)
            kept = (rank < weight.shape[1]) & (nearness > 0.0)
            neighbor[item[kept], rank[kept]], weight[item[kept], rank[kept]] = other[kept], nearness[kept]
        self.neighbor.set_value(neighbor)
        self.weight.set_value(weight)

    def route(self, hist_item, seq_len, *context):
        """Scores of items 1…V as one interest, `[B, 1, V]`, and the mask `[B, 1, T]`: each item of the history votes.

        It takes room for B·V numbers and `B·T·N` beside them; nothing of the size V·V.
        """
        mask = length_mask(seq_len, hist_item.shape[1])  # [B, T]
        vote = (self.weight[hist_item] * mask.unsqueeze(2)).flatten(1)  # [B, T·N]
        scores = paddle.zeros([len(hist_item), self.item_count])
        scores = paddle.put_along_axis(scores, self.neighbor[hist_item].flatten(1), vote, axis=1, reduce="add")
        return scores[:, 1:].unsqueeze(1), mask.unsqueeze(1)

    def item_vectors(self):
        """There are none.

        Raises:
            TypeError: always.
        """
        raise TypeError("there are no item vectors: its interests are the scores of items 1…V")
