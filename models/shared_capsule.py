"""The capsule network between MIND and ComiRec-DR: one matrix per interest, shared by all positions."""

from models.base.capsule_model import CapsuleModel


class SharedCapsule(CapsuleModel):
    """Dynamic routing with `û_ij = S_j e_i` and zero initial logits (`bilinear_type` 1 of the public codes).

    Args:
        options: what `CapsuleModel` takes.
    """

    def __init__(self, **options):
        super().__init__(bilinear_type=1, initial_logits={}, **options)
