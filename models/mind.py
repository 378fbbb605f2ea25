"""MIND: Multi-Interest Network with Dynamic Routing (Li et al., CIKM 2019)."""

from models.base.gradient_model import GradientModel
from models.base.keywords import flat_options
from models.base.options import Common, GaussianLogits, Interests, Loss, Routing, States
from models.layers.capsule import CapsuleNetwork
from models.layers.encoder import create_encoder
from models.layers.features import create_item_table
from models.layers.read_out import LabelAwareAttention
from models.losses.objective import create_objective


@flat_options
class MIND(GradientModel):
    """K interests of a history by behaviour-to-interest (B2I) routing, and the one nearest to the target is trained.

    Item table (`ItemTable`, section 3.2), e_i the mean of the vectors of item i and its features:

        e_i     = (id_i + Σ_f m_if) / (1 + number of its features)

    Routing (`CapsuleNetwork`, section 3.3 and Algorithm 1), with one matrix S for all and Gaussian first logits b:

        routing_times times:
        w_ij    = exp b_ij / Σ_k exp b_ik                                   eq. 6, over interests
        z_j     = Σ_i w_ij S e_i                                            eq. 5
        v_j     = squash(z_j) = |z_j|² / (1 + |z_j|²) · z_j / |z_j|         eq. 7
        b_ij    ← b_ij + v_j · S e_i                                        eq. 8
        K'_u    = max(1, min(K, log2 |I_u|)) interests                      eq. 9, `dynamic_interest_num`

    User features (`ContextTower`, fig. 2), where there are any, through ReLU layers and a linear one:

        v_j     ← tower([v_j ; features])

    Read-out (`LabelAwareAttention`, section 3.4), with target e_i:

        v_u     = V softmax(pow(Vᵀ e_i, p))                                 V: the interests as columns

    Loss (`SampledSoftmax`, section 3.5), and the score in retrieval:

        L       = -log (exp(v_u · e_i) / Σ_j exp(v_u · e_j))                eq. 10, over sampled j
        f(u, i) = max_j v_j · e_i                                           eq. 3

    Where it departs from the paper:
        - All K interests live unless `dynamic_interest_num` is set; the logarithm is rounded down.
        - Logits are drawn anew in each training step. At inference they are a buffer of the checkpoint, so that a
          history has the same interests every time.
        - The coupling w is a constant in the backward pass, as in public codes.
        - p is infinite unless set, the paper's best: the interest with the largest `v_j · e_i` alone is trained.
        - Sampled logits are corrected by log Q, see `log_q`.
    """

    def __init__(
        self,
        common: Common,
        interests: Interests,
        states: States,
        routing: Routing,
        gaussian_logits: GaussianLogits,
        loss: Loss,
    ):
        capsules = CapsuleNetwork(
            common.embedding_dim,
            common.maxlen,
            bilinear_type=0,  # one S for all
            interest_num=interests.interest_num,
            dynamic_interest_num=interests.dynamic_interest_num,
            **vars(routing),
            **vars(gaussian_logits),
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
