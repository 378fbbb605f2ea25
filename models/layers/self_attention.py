"""Interests by self-attention over the history (ComiRec-SA)."""

import paddle
from paddle import nn

from models.layers.compiled import usable
from models.layers.extractor import Extractor
from models.layers.functional import tanh
from models.layers.passes import self_attention


class SelfAttention(Extractor):
    """`A = softmax(W2ᵀ tanh(W1 H))ᵀ`, `V = H A`: ComiRec eq. 6 and 7, softmax over positions.

    Learned positions are added to H for the weights, not for the values.

    Args:
        hidden_size: D, of behaviours and interests.
        seq_len: T, the longest history.
        interest_num: K.
        units: of the hidden layer, without bias as in the paper; None: its 4D.
    """

    compiles = True

    def __init__(self, *, hidden_size, seq_len, interest_num, units=None):
        super().__init__()
        scale = nn.initializer.Normal(std=hidden_size**-0.5)
        self.position = self.create_parameter([1, seq_len, hidden_size], default_initializer=scale)
        units = 4 * hidden_size if units is None else units
        self.linear1 = nn.Linear(hidden_size, units, bias_attr=False)
        self.linear2 = nn.Linear(units, interest_num, bias_attr=False)

    def route(self, item_eb, mask):
        """Interests `[B, K, D]` and the attention `[B, K, T]` that made them, 0 at padding."""
        if self.training and usable(item_eb):
            return self.route_compiled(item_eb, mask)
        # Expanded by hand: the sum's own broadcast has a gradient that takes a fifth of the layer's time.
        position = self.position[:, : item_eb.shape[1]].expand(paddle.shape(item_eb))  # [B, T, D]
        logits = self.linear2(tanh(self.linear1(item_eb + position))).transpose([0, 2, 1])  # [B, K, T]
        mask = mask.unsqueeze(1).expand([-1, logits.shape[1], -1])  # by hand, too
        # Not -inf, which makes an empty history NaN; and selected, not added, so that no gradient reaches padding.
        logits = paddle.where(mask > 0, logits, paddle.full_like(logits, -1e30))
        attention = nn.functional.softmax(logits, axis=2) * mask
        return paddle.matmul(attention, item_eb), attention

    def compiled_pass(self, batch, length):
        """As `Extractor`."""
        return self_attention, [self.position, self.linear1.weight, self.linear2.weight], ()
