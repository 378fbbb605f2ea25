"""What the models with dynamic routing share."""

from models.base.multi_interest import MultiInterestModel
from models.layers.capsule import CapsuleNetwork


class CapsuleModel(MultiInterestModel):
    """A `MultiInterestModel` whose extractor is a `CapsuleNetwork`.

    Args:
        bilinear_type: which of the three routings.
        initial_logits: `routing_logits` and `routing_logits_std` where the routing starts from Gaussian logits.
        embedding_dim, maxlen, interest_num: D, T, K.
        routing_times, relu_layer, routing_softmax, squash_power, dynamic_interest_num, near_identity: see
            `CapsuleNetwork`.
        options: what `MultiInterestModel` takes.
    """

    def __init__(
        self,
        *,
        bilinear_type,
        initial_logits,
        embedding_dim,
        maxlen,
        interest_num=4,
        routing_times=3,
        relu_layer=False,
        routing_softmax="interests",
        squash_power=1.0,
        dynamic_interest_num=False,
        near_identity=False,
        **options,
    ):
        extractor = CapsuleNetwork(
            embedding_dim,
            maxlen,
            bilinear_type=bilinear_type,
            interest_num=interest_num,
            routing_times=routing_times,
            relu_layer=relu_layer,
            routing_softmax=routing_softmax,
            squash_power=squash_power,
            dynamic_interest_num=dynamic_interest_num,
            near_identity=near_identity,
            **initial_logits,
        )
        super().__init__(
            embedding_dim=embedding_dim,
            maxlen=maxlen,
            interest_num=interest_num,
            extractor=extractor,
            dynamic_interest_num=dynamic_interest_num,
            **options,
        )
