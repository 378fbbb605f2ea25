"""Multi-interest models. `MODELS` is the one registry: name in the configuration -> class."""

from models.capsule import CapsuleNetwork
from models.comirec_dr import ComiRecDR
from models.comirec_sa import ComiRecSA
from models.mind import MIND
from models.shared_capsule import SharedCapsule

MODELS = {
    "mind": MIND,
    "shared_capsule": SharedCapsule,
    "comirec_dr": ComiRecDR,
    "comirec_sa": ComiRecSA,
}

__all__ = ["MODELS", "CapsuleNetwork"]
