"""ItemKNN: nearest neighbours of the history's items by co-occurrence."""

from models.base.fit_libraries import taken_once
from models.base.neighbours import Neighbours

CHUNK = 4096  # items whose neighbours are found at once, so that memory does not grow with the catalogue's square


class ItemKNN(Neighbours):
    """Scores of all items: the sum over the history of their similarity to each of its items.

    The similarity of items i and j, taken by c_i and c_j training users, by c_ij both, is the cosine
    `c_ij / (sqrt(c_i c_j) + shrink)` (Sarwar et al., WWW 2001; shrinkage: Bell and Koren, ICDM 2007). Only the nearest
    `neighbors` of an item of the history score.

    Args:
        item_count: rows of the item table, with the padding row 0.
        maxlen: T, how many of the last items of a history are read.
        neighbors: N, neighbours an item keeps.
        shrink: a larger value lowers similarities that rest on few users.
    """

    def __init__(self, *, item_count, maxlen, neighbors=100, shrink=0.0):
        super().__init__(item_count=item_count, maxlen=maxlen, neighbors=neighbors)
        self.shrink = shrink

    def fit(self, items):
        """Find the neighbours.

        Args:
            items: the training users' items; how often a user took one does not matter.

        Raises:
            ImportError: without the extra `baselines`.
        """
        taken, _ = taken_once("item_knn", items, self.item_count)
        by_item = taken.T.tocsr()  # [V + 1, U]
        single = by_item.getnnz(axis=1)  # c_i
        self.keep(self.similarities(taken, by_item, single, first) for first in range(0, self.item_count, CHUNK))

    def similarities(self, taken, by_item, single, first):
        """Items from `first` on, others and their similarity."""
        both = (by_item[first : first + CHUNK] @ taken).tocsr()  # c_ij, sparse
        both.sort_indices()
        both = both.tocoo()
        item, other = both.row + first, both.col
        return item, other, both.data / ((single[item] * single[other]) ** 0.5 + self.shrink)
