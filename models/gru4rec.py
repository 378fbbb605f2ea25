"""GRU4Rec: session-based recommendations with recurrent neural networks (Hidasi et al., ICLR 2016)."""

import paddle
from paddle import nn

from models.base.gradient_model import GradientModel
from models.base.keywords import flat_options
from models.base.options import Common, Loss
from models.layers.extractor import Extractor
from models.layers.features import create_item_table
from models.layers.read_out import LabelAwareAttention
from models.losses.objective import create_objective


class LastState(Extractor):
    """The state of a GRU after the last real behaviour, see `GRU4Rec`.

    Args:
        hidden_size: D, of behaviours and of the state.
    """

    def __init__(self, *, hidden_size):
        super().__init__()
        self.gru = nn.GRU(hidden_size, hidden_size)

    def route(self, item_eb, mask):
        """The interest `[B, 1, D]`, zero for an empty history, and a coupling `[B, 1, T]`.

        A state has no weights of its own over behaviours; the coupling is 1 at the last one, whose state it is.
        """
        states, _ = self.gru(item_eb)  # [B, T, D]
        last = paddle.arange(mask.shape[1]) == mask.sum(axis=1, keepdim=True).astype("int64") - 1  # [B, T]
        coupling = last.astype(mask.dtype).unsqueeze(1)  # [B, 1, T]
        # States come from the left and padding is on the right, so the choice needs no sequence lengths in the GRU.
        return paddle.matmul(coupling, states), coupling


@flat_options
class GRU4Rec(GradientModel):
    """One vector a user: the state of a GRU after the last behaviour, as in ComiRec's comparison.

    GRU (`LastState`) over the rows e of the item table (`ItemTable`), in Paddle's form, each product with a bias:

        r       = sigmoid(W_r e + U_r h)                                    eq. 5
        z       = sigmoid(W_z e + U_z h)                                    eq. 3
        c       = tanh(W_c e + r * (U_c h))                                 eq. 4
        h       ← z h + (1 - z) c                                           eq. 2
        f(u, i) = h · e_i

    Where it departs from the paper: eq. 4 resets before the product, `U_c (r * h)`, and eq. 2 has z and 1 - z exchanged
    and no bias. There is one layer, which gives the user's vector at once; items read and items recommended share one
    table; and the loss is `SampledSoftmax` over users' next items, not a ranking loss over sessions in parallel.
    """

    def __init__(self, common: Common, loss: Loss):
        last_state = LastState(hidden_size=common.embedding_dim)
        super().__init__(
            common,
            item_table=create_item_table(common, loss),
            extractor=last_state,
            read_out=LabelAwareAttention(),  # of one interest: that one
            objective=create_objective(item_num=common.item_count - 1, **vars(loss)),
        )
