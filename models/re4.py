"""Re4: re-contrast, re-attend, re-construct for multi-interest recommendation (Zhang et al., WWW 2022)."""

import paddle
from paddle import nn

from models.base.gradient_model import GradientModel
from models.base.keywords import flat_options
from models.base.options import Common, Interests, Loss, States
from models.layers.backward_flow import ReConstruct, find_positives, re_attend, re_contrast
from models.layers.encoder import create_encoder
from models.layers.features import create_item_table
from models.layers.functional import length_mask
from models.layers.read_out import LabelAwareAttention
from models.layers.self_attention import SelfAttention
from models.losses.objective import create_objective


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


@flat_options
class Re4(GradientModel):
    """Self-attention, and a loss that holds interests to the behaviours that they were made of.

    Forward flow (`ValueAttention`), over the rows x_i of the item table (`ItemTable`):

        a_ki    = softmax over positions i of w_k · tanh(W1 x_i)
        z_k     = Σ_i a_ki W2 x_i                                           the interests

    Backward flows (`models.layers.backward_flow`), in training only. P_k, the positives of interest k, are the x_i with
    `a_ki > 1/|I_u|` (`find_positives`):

        L_CL    = -log(exp(z_k·x_i / τ) / (exp(z_k·x_i / τ) + Σ_j exp(z_k·n_j / τ)))    `re_contrast`, x_i in P_k
        L_ATT   = -Σ_i a_ki log softmax_i(z_k·x_i)                                      `re_attend`
        L_CT    = |x̂_kj - x_j|²                                                         `ReConstruct`, x_j in P_k
        L       = L_Rec + λ_CL L_CL + λ_ATT L_ATT + λ_CT L_CT

    L_Rec is `SampledSoftmax` with the interest that scores highest (`LabelAwareAttention`). In retrieval
    `f(u, i) = max_k z_k · x_i`.

    Where it departs from the paper:
        - Each term is a mean over what is valid in it, not a sum, so that its weight does not depend on the batch.
        - a is a constant in L_ATT: it teaches the interests, not they it.
        - The attention has positions, as `SelfAttention`, and W2 starts as the identity.
        - Negatives n_j of other users are drawn from the batch, at most `re4_negatives`.

    Args:
        re4_contrast_weight, re4_attend_weight, re4_construct_weight: λ_CL, λ_ATT, λ_CT; 0 leaves the term out.
        re4_temperature: τ of re-contrast.
        re4_negatives: at most so many behaviours of other users in re-contrast.
    """

    def __init__(
        self,
        common: Common,
        interests: Interests,
        states: States,
        loss: Loss,
        *,
        re4_contrast_weight=0.1,
        re4_attend_weight=0.01,
        re4_construct_weight=0.1,
        re4_temperature=0.02,
        re4_negatives=128,
    ):
        attention = ValueAttention(
            hidden_size=common.embedding_dim, seq_len=common.maxlen, interest_num=interests.interest_num
        )
        super().__init__(
            common,
            interests,
            item_table=create_item_table(common, loss),
            encoder=create_encoder(common, states),
            extractor=attention,
            read_out=LabelAwareAttention(pow_p=interests.pow_p),
            objective=create_objective(item_num=common.item_count - 1, **vars(loss)),
        )
        self.contrast_weight, self.attend_weight = re4_contrast_weight, re4_attend_weight
        self.construct_weight = re4_construct_weight
        self.re4_temperature, self.re4_negatives = re4_temperature, re4_negatives
        self.re_construct = ReConstruct(embedding_dim=common.embedding_dim, seq_len=common.maxlen)

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
