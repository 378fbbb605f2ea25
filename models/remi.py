"""REMI: rethinking multi-interest learning for candidate matching (Xie et al., RecSys 2023)."""

from dataclasses import replace

import paddle

from models.base.gradient_model import GradientModel
from models.base.keywords import flat_options
from models.base.options import Common, Interests, Loss, States
from models.layers.encoder import create_encoder
from models.layers.features import create_item_table
from models.layers.passes import unevenness
from models.layers.read_out import LabelAwareAttention
from models.layers.self_attention import SelfAttention
from models.losses.objective import create_objective


@flat_options
class REMI(GradientModel):
    """ComiRec-SA's interests with hard negatives and a term that keeps attention from a single item.

    Extractor (`SelfAttention`) and read-out (`LabelAwareAttention`) are those of `ComiRecSA`; a_k is the attention of
    interest k. With s₊ the score of the target and s_j that of negative j:

        L       = -log(exp(s₊) / (exp(s₊) + Σ_j w_j exp(s_j)))              section 4.1, `HardNegativeSoftmax`
        w_j     = exp(beta s_j) / mean over j of exp(beta s_j)              beta: `hard_negative_beta`
        L_reg   = λ ‖diag(Cov_i(a_k))‖²                                     section 4.2, `routing_variance`

    Where it departs from the paper and its code:
        - `routing_variance` follows the code: the variance over all positions, padding too, divided by D.
        - The code sums L_reg over the batch; here it is the mean, so λ does not depend on the batch's size.
        - The code draws negatives uniformly; so do set `negatives: uniform`. There is no log-Q correction.

    Args:
        routing_regularization: λ. The public code's 100 at batch 128 is 12,800 here.
    """

    def __init__(
        self, common: Common, interests: Interests, states: States, loss: Loss, *, routing_regularization=12800.0
    ):
        attention = SelfAttention(
            hidden_size=common.embedding_dim, seq_len=common.maxlen, interest_num=interests.interest_num
        )
        if loss.hard_negative_beta is None:
            loss = replace(loss, hard_negative_beta=1.0)
        super().__init__(
            common,
            interests,
            item_table=create_item_table(common, loss),
            encoder=create_encoder(common, states),
            extractor=attention,
            read_out=LabelAwareAttention(pow_p=interests.pow_p),
            objective=create_objective(item_num=common.item_count - 1, **vars(loss)),
        )
        self.routing_regularization = routing_regularization

    def regularize(self, loss, interests, coupling, hist_eb, hist_item, seq_len):
        """The loss and, weighted, how far attention is from even, the batch's mean."""
        loss = super().regularize(loss, interests, coupling, hist_eb, hist_item, seq_len)
        if not self.routing_regularization:
            return loss
        variance = routing_variance(coupling, self.live_interests(seq_len), hist_eb.shape[2])
        return loss + self.routing_regularization * variance.mean()

    def compiled_penalty(self):
        """As `GradientModel`."""
        weight, size = self.routing_regularization, self.item_table.weight.shape[1]
        return (unevenness, (weight / size**2,)) if weight else super().compiled_penalty()


def routing_variance(attention, live, size):
    """`‖diag(Cov_i(a_k))‖²` of each user: `[B, K, T]`, live mask `[B, K]` to `[B]`.

    As the public code computes it: `sum_k (sum_i (a_ki - mean_i a_ki)² / D)²`, i over all T positions, padded ones
    included, and D, the `size` of an interest, in place of T.
    """
    centred = attention - attention.mean(axis=2, keepdim=True)
    variance = paddle.square(centred).sum(axis=2) / size * live.astype(attention.dtype)  # [B, K]
    return paddle.square(variance).sum(axis=1)
