"""Two towers, one for the user and one for the item, with one interest or MIND's several."""

import paddle

from models.layers.mean_pooling import MeanPooling
from models.layers.tower import Tower
from models.mind import MIND

CHUNK = 65536  # items whose hidden layers are in memory at once


class TwoTower(MIND):
    """`f(u, i) = max_k <tower_u([v_k ; context]), tower_i(e_i)>`: deep layers on both sides of the inner product.

    The interests `v_k` are MIND's, with the context tiled and joined to each (MIND fig. 2), or the mean
    of the history alone. The item tower reads the item's row, id and features averaged.

    Args:
        embedding_dim: D.
        interests: `mean`, one interest (`interest_num` and the routing's options are not used), or `mind`.
        interest_num: K.
        tower_sizes: ReLU layers of either tower, before its linear one; None: one of 4D.
        options: what `MIND` takes.
    """

    def __init__(self, *, embedding_dim, interests="mean", interest_num=4, tower_sizes=None, **options):
        number = {"mean": 1, "mind": interest_num}[interests]
        super().__init__(embedding_dim=embedding_dim, interest_num=number, tower_sizes=tower_sizes, **options)
        if interests == "mean":
            self.extractor = MeanPooling()
        if self.user_tower is None:  # the base has one for user features only
            self.user_tower = self.create_user_tower(embedding_dim, tower_sizes)
        sizes = [4 * embedding_dim] if tower_sizes is None else tower_sizes
        self.item_tower = Tower(input_size=embedding_dim, output_size=embedding_dim, sizes=sizes)

    def item_vectors(self):
        """What interests are searched among: `[item_count, D]`, row 0 zero."""
        rows = self.item_rows()
        parts = paddle.tensor_split(rows, 1 + len(rows) // CHUNK)
        vectors = paddle.concat([self.item_side(part) for part in parts])  # [item_count, D]
        vectors[0] = 0.0  # biases give padding a vector too
        return vectors
