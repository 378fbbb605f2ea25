"""ComiRec-SA: controllable multi-interest framework, self-attention (Cen et al., KDD 2020)."""

from models.base.gradient_model import GradientModel
from models.base.keywords import flat_options
from models.base.options import Common, Interests, Loss, States
from models.layers.encoder import create_encoder
from models.layers.features import create_item_table
from models.layers.read_out import LabelAwareAttention
from models.layers.self_attention import SelfAttention
from models.losses.objective import create_objective


@flat_options
class ComiRecSA(GradientModel):
    """K attention heads over the history, each of which gives an interest (section 3.2).

    Extractor (`SelfAttention`), over the rows of the item table (`ItemTable`) as columns of H:

        A       = softmax(W2ᵀ tanh(W1 H))ᵀ                                  eq. 6, over positions, W1 of 4D rows
        V       = H A                                                       eq. 7, the interests as columns

    Read-out (`LabelAwareAttention`) of the interest that is trained with target e_i:

        v_u     = V[:, argmax(Vᵀ e_i)]                                      eq. 8

    Loss (`SampledSoftmax`), and the score in retrieval:

        L       = -log (exp(v_u · e_i) / Σ_j exp(v_u · e_j))                eq. 9 and 10, over sampled j
        f(u, i) = max_k v_k · e_i                                           section 3.3

    Learned positions are added to H for the weights A, not for the values. Where it departs from the paper: sampled
    logits are corrected by log Q, see `log_q`.
    """

    def __init__(self, common: Common, interests: Interests, states: States, loss: Loss):
        attention = SelfAttention(
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
