"""What an extractor reads of a history: its rows, or states that know of what came before them."""

from paddle import nn

from models.layers.transformer import create_transformer


class Rows(nn.Layer):
    """The rows as they are."""

    has_dropout = False  # whether it drops values itself while training

    def forward(self, item_eb, mask):
        """Rows `[B, T, D]` and mask `[B, T]`, 1 where real, to states `[B, T, D]`."""
        return item_eb


class TransformerStates(nn.Layer):
    """The states of a `CausalTransformer` after each behaviour, zero at padding.

    Args:
        transformer: the `CausalTransformer`.
    """

    has_dropout = True

    def __init__(self, *, transformer):
        super().__init__()
        self.transformer = transformer

    def forward(self, item_eb, mask):
        """As `Rows`."""
        states, layout, _ = self.transformer.read(item_eb, mask)
        return layout.unpack(states)


class GRUStates(nn.Layer):
    """The states of a GRU after each behaviour, in the form of `GRU4Rec`, zero at padding.

    Args:
        hidden_size: D, of behaviours and states.
    """

    has_dropout = False

    def __init__(self, *, hidden_size):
        super().__init__()
        self.gru = nn.GRU(hidden_size, hidden_size)

    def forward(self, item_eb, mask):
        """As `Rows`."""
        states, _ = self.gru(item_eb)  # from the left, and padding is on the right
        return states * mask.unsqueeze(2)


ENCODERS = {
    "none": lambda common, states: Rows(),
    "transformer": lambda common, states: TransformerStates(transformer=create_transformer(common, states)),
    "gru": lambda common, states: GRUStates(hidden_size=common.embedding_dim),
}


def create_encoder(common, states):
    """The encoder of a gradient model, of its options `Common` and `States`."""
    return ENCODERS[states.encoder](common, states)
