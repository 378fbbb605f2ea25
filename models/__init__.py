"""Multi-interest models. `MODELS` is the one registry: name in the configuration -> class."""

import warnings

warnings.filterwarnings("ignore", message="No ccache found")  # Paddle's import looks for a compiler's cache

from models.comirec_dr import ComiRecDR
from models.comirec_sa import ComiRecSA
from models.ease import EASE
from models.gru4rec import GRU4Rec
from models.item_knn import ItemKNN
from models.layers.capsule import CapsuleNetwork
from models.maxmf import MaxMF
from models.mind import MIND
from models.most_pop import MostPop
from models.re4 import Re4
from models.remi import REMI
from models.rp3beta import RP3Beta
from models.sasrec import SASRec
from models.shared_capsule import SharedCapsule
from models.spectral.factors import Spectral
from models.spectral.mix import SpectralMix
from models.spectral.net import SpectralNet
from models.spectral_blend import SpectralBlend
from models.spectral_sas import SpectralSAS
from models.two_tower import TwoTower
from models.wals import WALS
from models.youtube_dnn import YouTubeDNN

MODELS = {
    "mind": MIND,
    "shared_capsule": SharedCapsule,
    "comirec_dr": ComiRecDR,
    "comirec_sa": ComiRecSA,
    "re4": Re4,
    "remi": REMI,
    "youtube_dnn": YouTubeDNN,
    "gru4rec": GRU4Rec,
    "sasrec": SASRec,
    "two_tower": TwoTower,
    "most_pop": MostPop,
    "item_knn": ItemKNN,
    "rp3beta": RP3Beta,
    "ease": EASE,
    "wals": WALS,
    "maxmf": MaxMF,
    "spectral": Spectral,
    "spectral_net": SpectralNet,
    "spectral_mix": SpectralMix,
    "spectral_sas": SpectralSAS,
    "spectral_blend": SpectralBlend,
}

__all__ = ["MODELS", "CapsuleNetwork"]
