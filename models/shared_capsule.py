"""The capsule network between MIND and ComiRec-DR: one matrix per interest, shared by all positions."""

from models.base.gradient_model import GradientModel
from models.base.keywords import flat_options
from models.base.options import Common, Interests, Loss, Routing, States
from models.layers.capsule import CapsuleNetwork
from models.layers.encoder import create_encoder
from models.layers.features import create_item_table
from models.layers.read_out import LabelAwareAttention
from models.losses.objective import create_objective


@flat_options
class SharedCapsule(GradientModel):
    """Dynamic routing with `û_ij = S_j e_i` and zero first logits: `bilinear_type` 1 of the public codes, in no paper.

    routing_times times (`CapsuleNetwork`):

        c_ij  = softmax over interests j of b_ij, at first 0
        v_j   = squash(S_j Σ_i c_ij e_i)
        b_ij  ← b_ij + v_j · S_j e_i

    Read-out (`LabelAwareAttention`) and loss (`SampledSoftmax`) are those of `ComiRecDR`.
    """

    def __init__(self, common: Common, interests: Interests, states: States, routing: Routing, loss: Loss):
        capsules = CapsuleNetwork(
            common.embedding_dim,
            common.maxlen,
            bilinear_type=1,  # S_j
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
