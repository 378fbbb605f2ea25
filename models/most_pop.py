"""MostPop: everybody is recommended the items that most people took."""

import paddle

from models.base.recommender import Recommender, frozen_table


class MostPop(Recommender):
    """Popularity as vectors of size 1: an item's is its count among the training users' items, a user's is 1.

    K = 1 and D = 1; all histories, empty ones too, have the same interest and so the same list.

    Args:
        item_count: rows of the item table, with the padding row 0.
        maxlen: T, how many of the last items of a history are read.
    """

    def __init__(self, *, item_count, maxlen):
        super().__init__(item_count=item_count, maxlen=maxlen)
        self.item_table = frozen_table(item_count, 1)

    def fit(self, items):
        """Count `items.values`, the training users' items."""
        count = paddle.bincount(paddle.to_tensor(items.values), minlength=self.item_count)  # [V + 1]
        self.item_table.weight.set_value(count.unsqueeze(1).astype("float32"))

    def route_rows(self, hist_eb, seq_len, context_eb=None):
        """Ones `[B, 1, 1]`, and the coupling `[B, 1, T]`: zeros, since no item of the history made them."""
        coupling = paddle.zeros_like(hist_eb).transpose([0, 2, 1])  # [B, 1, T]
        return paddle.ones_like(coupling[:, :, :1]), coupling
