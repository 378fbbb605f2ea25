"""What scores beside the factors of a `Mixture`."""

from paddle import nn

from models.layers.extractor import Extractor


class Beside(Extractor):
    """An extractor with W dimensions of its own that learns by itself from random vectors, and scores by `y · g_j`.

    An heir has `size`, W, and `share`: how much its scores count; those of the factors count 1.
    """

    size: int
    share: float

    def learn(self, events, watch):
        """Learn of `events`: the item rows, `[item_count, W]`; `watch` is `Recommender.watch`."""
        raise NotImplementedError(f"{type(self).__name__} has no learn")

    def vector(self, interests):
        """y of what it extracts, `[B, ?, W]`: `[B, W]`."""
        raise NotImplementedError(f"{type(self).__name__} has no vector")

    def side(self, rows):
        """g of rows `[item_count, W]`: `[item_count, W]`."""
        raise NotImplementedError(f"{type(self).__name__} has no side")


def several(kind, number, **options):
    """A number of one kind, an heir of `Beside`: the first, and a list of the others."""
    first, *others = (kind(**options) for _ in range(number))
    return first, nn.LayerList(others)
