"""ComiRec-DR: controllable multi-interest framework, dynamic routing (Cen et al., KDD 2020)."""

from models.base.capsule_model import CapsuleModel


class ComiRecDR(CapsuleModel):
    """Dynamic routing with one matrix per position and interest (section 4.2, Algorithm 1).

    Args:
        options: what `CapsuleModel` takes.
    """

    def __init__(self, **options):
        super().__init__(bilinear_type=2, initial_logits={}, **options)
