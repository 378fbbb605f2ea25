"""Two towers, one for the user and one for the item, with one interest or MIND's several."""

from dataclasses import replace

import paddle

from models.base.gradient_model import GradientModel
from models.base.keywords import flat_options
from models.base.options import Common, GaussianLogits, Interests, Loss, Routing, States
from models.layers.capsule import CapsuleNetwork
from models.layers.encoder import create_encoder
from models.layers.features import create_item_table
from models.layers.mean_pooling import MeanPooling
from models.layers.read_out import LabelAwareAttention
from models.layers.tower import Tower
from models.losses.objective import create_objective

CHUNK = 65536  # items whose hidden layers are in memory at once


@flat_options
class TwoTower(GradientModel):
    """Deep layers on both sides of the inner product.

        v_1 … v_K = MIND's interests (`CapsuleNetwork`), or the mean of the history (`MeanPooling`)
        u_k       = tower_user([v_k ; context])                             `ContextTower`; MIND fig. 2
        t_i       = tower_item(e_i)                                         `Tower`; e_i: the id and features averaged
        f(u, i)   = max_k u_k · t_i

    A tower has ReLU layers of `tower_sizes` and a linear layer. Read-out (`LabelAwareAttention`) and loss
    (`SampledSoftmax`) are those of `MIND`, of u_k and t_i.

    Args:
        interests: `mean`, one interest (`interest_num` and the routing's options are not used), or `mind`.
    """

    def __init__(
        self,
        common: Common,
        several: Interests,
        states: States,
        routing: Routing,
        gaussian_logits: GaussianLogits,
        loss: Loss,
        *,
        interests="mean",
    ):
        several = {"mean": replace(several, interest_num=1), "mind": several}[interests]
        capsules = CapsuleNetwork(
            common.embedding_dim,
            common.maxlen,
            bilinear_type=0,
            interest_num=several.interest_num,
            dynamic_interest_num=several.dynamic_interest_num,
            **vars(routing),
            **vars(gaussian_logits),
        )
        super().__init__(
            common,
            several,
            item_table=create_item_table(common, loss),
            encoder=create_encoder(common, states),
            extractor={"mean": MeanPooling(), "mind": capsules}[interests],
            read_out=LabelAwareAttention(pow_p=several.pow_p),
            objective=create_objective(item_num=common.item_count - 1, **vars(loss)),
            tower_sizes=common.relu_sizes,
        )
        self.item_tower = Tower(
            input_size=common.embedding_dim, output_size=common.embedding_dim, sizes=common.relu_sizes
        )

    def item_vectors(self):
        """What interests are searched among: `[item_count, D]`, row 0 zero."""
        rows = self.item_rows()
        parts = paddle.tensor_split(rows, 1 + len(rows) // CHUNK)
        vectors = paddle.concat([self.item_side(part) for part in parts])  # [item_count, D]
        vectors[0] = 0.0  # biases give padding a vector too
        return vectors
