"""What reads a history."""

from paddle import nn


class Extractor(nn.Layer):
    """The encoder of a model: the rows of a history to interests, and how much of each behaviour is in each.

    It knows neither items nor losses, so that extractors can stand in each other's place or be built of each other.
    """

    compiles = False  # whether `route` has a compiled pass for training, see `models.layers.compiled`
    fuses = False  # whether it is that pass alone

    def forward(self, item_eb, mask):
        """`[B, T, D]` and mask `[B, T]` to interests `[B, K, D]`."""
        return self.route(item_eb, mask)[0]

    def route(self, item_eb, mask):
        """Rows `[B, T, D]` and mask `[B, T]`, 1 where real, to interests `[B, K, D]` and coupling `[B, K, T]`."""
        raise NotImplementedError(f"{type(self).__name__} has no route")
