"""EASE: a linear model in closed form (Steck, WWW 2019)."""

import paddle

from models.base.fit_libraries import inverse, taken_once
from models.base.recommender import Recommender
from models.layers.functional import length_mask


class EASE(Recommender):
    """Scores of all items: `x B`, x the history's items, each once, and B the ridge regression of a user's items on x.

    `B = I - P diag(P)^-1`, `P = (XᵀX + lambda I)^-1`, so that no item speaks for itself: the paper's eq. 8. B holds a
    number for each pair of items, 4·V² bytes, and `fit` needs about four times as much: 2.3 GB at 12,000 items. What
    does not fit in memory is refused before.

    Args:
        item_count: rows of the item table, with the padding row 0.
        maxlen: T, how many of the last items of a history are read.
        ease_lambda: lambda, weight of the squares of B.
    """

    gives_scores = True

    def __init__(self, *, item_count, maxlen, ease_lambda=500.0):
        super().__init__(item_count=item_count, maxlen=maxlen)
        self.ease_lambda = ease_lambda
        self.register_buffer("weight", paddle.zeros([item_count, item_count]))

    def fit(self, items):
        """Solve for B.

        Args:
            items: the training users' items; how often a user took one does not matter.

        Raises:
            ImportError: without the extra `baselines`.
            ArithmeticError: where lambda is too small to solve it.
        """
        taken, _ = taken_once("ease", items, self.item_count)
        gram = (taken.T @ taken).astype("float32").toarray()  # [V + 1, V + 1]
        gram[range(len(gram)), range(len(gram))] += self.ease_lambda
        weight = inverse(gram)
        weight /= -weight.diagonal()  # by columns
        weight[range(len(weight)), range(len(weight))] = 0.0
        self.weight.set_value(weight)

    def route(self, hist_item, seq_len, *context):
        """Scores of items 1…V as one interest, `[B, 1, V]`, and the mask `[B, 1, T]`: each item of the history votes.

        Item after item of the histories, so that it takes room for twice B·V numbers.
        """
        mask = length_mask(seq_len, hist_item.shape[1])  # [B, T]
        same = (hist_item.unsqueeze(2) == hist_item.unsqueeze(1)).astype("float32")  # [B, T, T]
        earlier = (paddle.tril(same, diagonal=-1) * mask.unsqueeze(1)).sum(axis=2)
        vote = mask * (earlier == 0).astype(mask.dtype)  # an item once
        scores = paddle.zeros([len(hist_item), self.item_count])
        for step in range(hist_item.shape[1]):
            scores = scores + self.weight[hist_item[:, step]] * vote[:, step : step + 1]
        return scores[:, 1:].unsqueeze(1), mask.unsqueeze(1)

    def item_vectors(self):
        """There are none.

        Raises:
            TypeError: always.
        """
        raise TypeError("ease has no item vectors: its interests are the scores of items 1…V")
