"""MIND: Multi-Interest Network with Dynamic Routing (Li et al., CIKM 2019)."""

from models.base.capsule_model import CapsuleModel


class MIND(CapsuleModel):
    """Behaviour-to-interest routing: one shared matrix, Gaussian initial logits (sections 4.3 and 4.4).

    Args:
        routing_logits, routing_logits_std: see `CapsuleNetwork`.
        options: what `CapsuleModel` takes.
    """

    def __init__(self, *, routing_logits="resample", routing_logits_std=1.0, **options):
        gaussian = {"routing_logits": routing_logits, "routing_logits_std": routing_logits_std}
        super().__init__(bilinear_type=0, initial_logits=gaussian, **options)
