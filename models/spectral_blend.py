"""Spectral factors, an attention model and SASRec side by side, as K vectors."""

from models.base.keywords import flat_options
from models.spectral.attention import Attending, Attention
from models.spectral.beside import several
from models.spectral.factors import Factors
from models.spectral.mixture import Distillation, Mixture
from models.spectral.net import Network
from models.spectral_sas import Following, NextItem


@flat_options
class SpectralBlend(Mixture):
    """`SpectralNet`, `SpectralMix`'s attention and `SpectralSAS`'s transformer, see `Mixture`. Ours, from no paper.

        f(u, j) = v · b(j) E_j + c Σ y · g_j / |g_j| + c' Σ y' · g'_j       y, g: `Attention`; y', g': `NextItem`

    Counts, attention over a history, and a transformer that reads it in its order each know what the others do not.
    Each product is a sum over `mix_number` attention models or `sas_number` transformers.
    """

    name = "spectral_blend"

    def __init__(
        self,
        factors: Factors,
        network: Network,
        distillation: Distillation,
        attention: Attending,
        transformer: Following,
    ):
        extra = attention.mix_number * attention.mix_size + transformer.sas_number * transformer.sas_size
        super().__init__(factors, network, distillation, extra=extra)
        sizes = {"item_count": factors.item_count, "seq_len": factors.maxlen}
        self.extractor, self.others = several(
            Attention, attention.mix_number, **sizes, negatives=network.neg_samples, options=attention
        )
        self.transformer, self.followers = several(NextItem, transformer.sas_number, **sizes, options=transformer)
