"""RP3beta: random walks of three steps from items over users to items (Paudel et al., TiiS 2017)."""

from models.base.fit_libraries import taken_once
from models.base.neighbours import Neighbours

CHUNK = 4096  # items whose neighbours are found at once


class RP3Beta(Neighbours):
    """Scores of all items: the sum over the history of the chance to walk from each of its items to them.

    From item i to item j over the users who took both, popular j held back:

        w_ij    = sum_u (1 / c_i)^alpha (1 / n_u)^alpha / c_j^beta

    c_i users took i, u took n_u items; alpha 1 and beta 0 is P3, the chance itself. The first step, from a user to an
    item of the history, has the same chance for all of them. Only the nearest `neighbors` of an item score.

    Args:
        item_count: rows of the item table, with the padding row 0.
        maxlen: T, how many of the last items of a history are read.
        neighbors: N, neighbours an item keeps.
        walk_alpha: alpha, exponent of the transition probabilities.
        walk_beta: beta, exponent of an item's popularity, by which its score is divided; 0 for none.
    """

    def __init__(self, *, item_count, maxlen, neighbors=100, walk_alpha=1.0, walk_beta=0.6):
        super().__init__(item_count=item_count, maxlen=maxlen, neighbors=neighbors)
        self.walk_alpha, self.walk_beta = walk_alpha, walk_beta

    def fit(self, items):
        """Find the neighbours.

        Args:
            items: the training users' items; how often a user took one does not matter.

        Raises:
            ImportError: without the extra `baselines`.
        """
        taken, sparse = taken_once("rp3beta", items, self.item_count)
        by_item, single = taken.T.tocsr(), taken.getnnz(axis=0).clip(1)  # c_i
        number = taken.getnnz(axis=1).clip(1)  # n_u
        leaving = sparse.diags(number**-self.walk_alpha) @ taken  # [U, V + 1]
        self.keep(self.chances(leaving, by_item, single, first) for first in range(0, self.item_count, CHUNK))

    def chances(self, leaving, by_item, single, first):
        """Items from `first` on, others and w."""
        both = (by_item[first : first + CHUNK] @ leaving).tocsr()
        both.sort_indices()
        both = both.tocoo()
        item, other = both.row + first, both.col
        chance = both.data / single[item] ** float(self.walk_alpha)
        return item, other, chance / single[other] ** float(self.walk_beta)
