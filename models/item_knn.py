"""ItemKNN: nearest neighbours of the history's items by co-occurrence."""

import paddle

from models.base.fit_libraries import libraries, user_items
from models.base.recommender import Recommender
from models.layers.functional import length_mask

CHUNK = 4096  # items whose neighbours are found at once, so that memory does not grow with the catalogue's square


class ItemKNN(Recommender):
    """Scores of all items: the sum over the history of their similarity to each of its items.

    The similarity of items i and j, taken by c_i and c_j training users, by c_ij both, is the cosine
    `c_ij / (sqrt(c_i c_j) + shrink)` (Sarwar et al., WWW 2001; shrinkage: Bell and Koren, ICDM 2007). Only the nearest
    `neighbors` of an item of the history score.

    Args:
        item_count, maxlen: see `Recommender`.
        neighbors: N, neighbours an item keeps.
        shrink: the larger, the less counts a similarity that few users speak for.
    """

    gives_scores = True
    has_onnx = False  # `put_along_axis` with a sum

    def __init__(self, *, item_count, maxlen, neighbors=100, shrink=0.0):
        super().__init__(item_count=item_count, maxlen=maxlen)
        self.shrink = shrink
        self.register_buffer("neighbor", paddle.zeros([item_count, neighbors], "int64"))  # 0: there are fewer
        self.register_buffer("weight", paddle.zeros([item_count, neighbors]))

    def fit(self, items):
        """Find the neighbours.

        Args:
            items: the training users' items; how often a user took one does not matter.

        Raises:
            ImportError: without the extra `baselines`.
        """
        _, sparse, _ = libraries("item_knn")
        taken = user_items(sparse, items.values, items.offsets, self.item_count, 1.0)
        taken.sum_duplicates()
        taken.data[:] = 1.0
        by_item = taken.T.tocsr()  # [V + 1, U]
        single = by_item.getnnz(axis=1)  # c_i
        neighbor, weight = self.neighbor.numpy(), self.weight.numpy()
        neighbor[:], weight[:] = 0, 0.0
        for first in range(0, self.item_count, CHUNK):
            both = (by_item[first : first + CHUNK] @ taken).tocsr()  # c_ij, sparse
            both.sort_indices()  # ties go to the more popular
            both = both.tocoo()
            item, other = both.row + first, both.col
            similarity = both.data / ((single[item] * single[other]) ** 0.5 + self.shrink)
            similarity[item == other] = 0.0
            order = (-similarity).argsort(kind="stable")
            order = order[item[order].argsort(kind="stable")]  # item after item, the nearest first
            item, other, similarity = item[order], other[order], similarity[order]
            rank = paddle.arange(len(item)).numpy() - item.searchsorted(item)
            kept = (rank < weight.shape[1]) & (similarity > 0.0)
            neighbor[item[kept], rank[kept]], weight[item[kept], rank[kept]] = other[kept], similarity[kept]
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
        raise TypeError("item_knn has no item vectors: its interests are the scores of items 1…V")
