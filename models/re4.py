"""Re4: re-contrast, re-attend, re-construct for multi-interest recommendation (Zhang et al., WWW 2022)."""

import paddle
from paddle import nn

from models.base.multi_interest import MultiInterestModel
from models.layers.backward_flow import ReConstruct, find_positives, re_attend, re_contrast
from models.layers.functional import length_mask
from models.layers.self_attention import SelfAttention


class ValueAttention(SelfAttention):
    """`SelfAttention` with a linear map on the values: `z_k = sum_i a_ki W2 x_i`.

    Args:
        hidden_size, seq_len, interest_num: see `SelfAttention`.
    """

    def __init__(self, *, hidden_size, seq_len, interest_num):
        super().__init__(hidden_size=hidden_size, seq_len=seq_len, interest_num=interest_num)
        # At first the identity: an interest starts among the behaviours that it is made of and compared with.
        identity = nn.initializer.Assign(paddle.eye(hidden_size))
        self.value = nn.Linear(hidden_size, hidden_size, weight_attr=identity, bias_attr=False)

    def route(self, item_eb, mask):
        """Interests `[B, K, D]` and the attention `[B, K, T]` that made them, 0 at padding."""
        pooled, attention = super().route(item_eb, mask)
        return self.value(pooled), attention  # W2 of the sum: K products a user, not T


class Re4(MultiInterestModel):
    """Self-attention, and a loss that holds interests to the behaviours they were made of.

    `L_Rec + lambda_CL L_CL + lambda_ATT L_ATT + lambda_CT L_CT` (`models.layers.backward_flow`); a weight of 0 leaves
    its term out. The backward flows cost nothing at inference.

    Args:
        embedding_dim, maxlen, interest_num: D, T, K.
        re4_contrast_weight, re4_attend_weight, re4_construct_weight: the three lambdas.
        re4_temperature: tau of re-contrast.
        re4_negatives: at most so many behaviours of other users in re-contrast.
        options: what `MultiInterestModel` takes.
    """

    def __init__(
        self,
        *,
        embedding_dim,
        maxlen,
        interest_num=4,
        re4_contrast_weight=0.1,
        re4_attend_weight=0.01,
        re4_construct_weight=0.1,
        re4_temperature=0.02,
        re4_negatives=128,
        **options,
    ):
        extractor = ValueAttention(hidden_size=embedding_dim, seq_len=maxlen, interest_num=interest_num)
        super().__init__(
            embedding_dim=embedding_dim, maxlen=maxlen, interest_num=interest_num, extractor=extractor, **options
        )
        self.contrast_weight, self.attend_weight = re4_contrast_weight, re4_attend_weight
        self.construct_weight = re4_construct_weight
        self.re4_temperature, self.re4_negatives = re4_temperature, re4_negatives
        self.re_construct = ReConstruct(embedding_dim=embedding_dim, seq_len=maxlen)

    def regularize(self, loss, interests, coupling, hist_eb, hist_item, seq_len):
        """The loss and, each by its weight, the three backward flows."""
        loss = super().regularize(loss, interests, coupling, hist_eb, hist_item, seq_len)
        mask, live = length_mask(seq_len, hist_eb.shape[1]), self.live_interests(seq_len)
        positives = find_positives(coupling, seq_len, live)
        item_eb = self.item_side(hist_eb)  # compared with interests as in retrieval
        if self.contrast_weight:
            batch = (interests, item_eb, hist_item, mask, positives, live)
            loss = loss + self.contrast_weight * re_contrast(*batch, self.re4_temperature, self.re4_negatives)
        if self.attend_weight:
            loss = loss + self.attend_weight * re_attend(interests, item_eb, coupling, mask, live)
        if self.construct_weight:
            loss = loss + self.construct_weight * self.re_construct.loss(interests, hist_eb, mask, positives)
        return loss
