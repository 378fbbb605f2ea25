"""Spectral factors, an attention model and SASRec side by side, as K vectors."""

from models.base.keywords import flat_options
from models.spectral.attention import Attending, Attention
from models.spectral.factors import Factors
from models.spectral.mixture import Distillation, Mixture
from models.spectral.net import Network
from models.spectral_sas import Following, next_items


@flat_options
class SpectralBlend(Mixture):
    """`SpectralNet`, `SpectralMix`'s attention and `SpectralSAS`'s transformer, see `Mixture`. Ours, from no paper.

        f(u, j) = v · b(j) E_j + c y · g_j / |g_j| + c' Σ y' · g'_j         y, g: `Attention`; y', g': `NextItem`

    Counts, attention over a history, and a transformer that reads it in its order each know what the others do not.
    The sum is over `sas_number` transformers, as in `SpectralSAS`.
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
        extra = attention.mix_size + transformer.sas_number * transformer.sas_size
        super().__init__(factors, network, distillation, extra=extra)
        self.extractor = Attention(
            item_count=factors.item_count, seq_len=factors.maxlen, negatives=network.neg_samples, options=attention
        )
        self.transformer, self.others = next_items(factors, transformer)
