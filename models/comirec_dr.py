"""ComiRec-DR: controllable multi-interest framework, dynamic routing (Cen et al., KDD 2020)."""

from models.base.gradient_model import GradientModel
from models.base.keywords import flat_options
from models.base.options import Common, Interests, Loss, Routing, States
from models.layers.capsule import CapsuleNetwork
from models.layers.encoder import create_encoder
from models.layers.features import create_item_table
from models.layers.read_out import LabelAwareAttention
from models.losses.objective import create_objective


@flat_options
class ComiRecDR(GradientModel):
    """K interests of a history by dynamic routing, with one matrix per position and interest (section 3.2).

    Routing (`CapsuleNetwork`, Algorithm 1), over the rows e_i of the item table (`ItemTable`):

        b_ij    = 0                                                         line 1
        routing_times times:
        c_i     = softmax(b_i)                                              line 3, over interests
        s_j     = Σ_i c_ij W_ij e_i                                         line 4
        v_j     = squash(s_j) = |s_j|² / (1 + |s_j|²) · s_j / |s_j|         line 5
        b_ij    ← b_ij + v_j · W_ij e_i                                     line 6

    Read-out (`LabelAwareAttention`) of the interest that is trained with target e_i:

        v_u     = V[:, argmax(Vᵀ e_i)]                                      eq. 8, V: the interests as columns

    Loss (`SampledSoftmax`), and the score in retrieval:

        L       = -log (exp(v_u · e_i) / Σ_j exp(v_u · e_j))                eq. 9 and 10, over sampled j
        f(u, i) = max_k v_k · e_i                                           section 3.3

    Where it departs from the paper:
        - The W_ij start equal over positions i: from unrelated maps routing finds no clusters.
        - The coupling c is a constant in the backward pass, as in public codes.
        - Sampled logits are corrected by log Q, see `log_q`.
        - Histories are padded on the right, so position i counts from the oldest item that is read.
    """

    def __init__(self, common: Common, interests: Interests, states: States, routing: Routing, loss: Loss):
        capsules = CapsuleNetwork(
            common.embedding_dim,
            common.maxlen,
            bilinear_type=2,  # W_ij
            interest_num=interests.interest_num,
            dynamic_interest_num=interests.dynamic_interest_num,
            **vars(routing),
        )
        super().__init__(
            common,
            interests,
            item_table=create_item_table(common, loss),
            encoder=create_encoder(common, states),
            extractor=capsules,
            read_out=LabelAwareAttention(pow_p=interests.pow_p),
            objective=create_objective(item_num=common.item_count - 1, **vars(loss)),
        )
