"""What reads a history."""

from paddle import nn

from models.layers.compiled import Pass, together


class Extractor(nn.Layer):
    """The encoder of a model: the rows of a history to interests, and how much of each behaviour is in each.

    It knows neither items nor losses, so that extractors can stand in each other's place or be built of each other.
    """

    compiles = False  # whether it has a `compiled_pass`

    @property
    def fuses(self) -> bool:
        """Whether `route` is that pass alone."""
        return self.compiles and together(self, "route", "compiled_pass")

    def forward(self, item_eb, mask):
        """`[B, T, D]` and mask `[B, T]` to interests `[B, K, D]`."""
        return self.route(item_eb, mask)[0]

    def route(self, item_eb, mask):
        """Rows `[B, T, D]` and mask `[B, T]`, 1 where real, to interests `[B, K, D]` and coupling `[B, K, T]`."""
        raise NotImplementedError(f"{type(self).__name__} has no route")

    def compiled_pass(self, batch, length):
        """What `route` is in a training step, see `models.layers.compiled`: a pass, its weights and its constants.

        The pass takes rows `[B, T, D]`, the weights, the mask `[B, T]` and the constants, for `batch` B and `length` T.
        """
        raise NotImplementedError(f"{type(self).__name__} has no compiled pass")

    def route_compiled(self, item_eb, mask):
        """`route` by the compiled pass."""
        function, weights, constants = self.compiled_pass(*mask.shape)
        return Pass.apply(function, (mask.numpy(), *constants), item_eb, *weights)
