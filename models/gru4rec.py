"""GRU4Rec: session-based recommendations with recurrent neural networks (Hidasi et al., ICLR 2016)."""

import paddle
from paddle import nn

from models.base.gradient_model import GradientModel


class LastState(nn.Layer):
    """The state of a GRU after the last real behaviour: GRU4Rec eq. 2 to 5, in Paddle's form.

    `r = sigmoid(W_r e + U_r h)`, `z = sigmoid(W_z e + U_z h)`, `c = tanh(W_c e + r * U_c h)`, `h <- z h + (1 - z) c`,
    each product with a bias. The paper resets before the product, `U_c (r * h)`, and has z and 1 - z exchanged.

    Args:
        hidden_size: D, of behaviours and of the state.
    """

    def __init__(self, *, hidden_size):
        super().__init__()
        self.gru = nn.GRU(hidden_size, hidden_size)

    def forward(self, item_eb, mask):
        """`[B, T, D]` and mask `[B, T]` to the interest `[B, 1, D]`."""
        return self.route(item_eb, mask)[0]

    def route(self, item_eb, mask):
        """The interest `[B, 1, D]`, zero for an empty history, and a coupling `[B, 1, T]`.

        A state has no weights of its own over behaviours; the coupling is 1 at the last one, whose state it is.
        """
        states, _ = self.gru(item_eb)  # [B, T, D]
        last = paddle.arange(mask.shape[1]) == mask.sum(axis=1, keepdim=True).astype("int64") - 1  # [B, T]
        coupling = last.astype(mask.dtype).unsqueeze(1)  # [B, 1, T]
        # States come from the left and padding is on the right, so the choice needs no sequence lengths in the GRU.
        return paddle.matmul(coupling, states), coupling


class GRU4Rec(GradientModel):
    """One interest: the state of a GRU after the last behaviour, as in ComiRec's comparison.

    Args:
        embedding_dim: D.
        options: what `GradientModel` takes.
    """

    def __init__(self, *, embedding_dim, **options):
        super().__init__(embedding_dim=embedding_dim, extractor=LastState(hidden_size=embedding_dim), **options)
