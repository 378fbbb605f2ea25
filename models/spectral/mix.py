"""Spectral factors and an attention model that is learned by gradient, side by side."""

from models.base.keywords import flat_options
from models.spectral.attention import Attending, Attention
from models.spectral.beside import several
from models.spectral.factors import Factors
from models.spectral.mixture import Distillation, Mixture
from models.spectral.net import Network


@flat_options
class SpectralMix(Mixture):
    """`SpectralNet` and an attention model that scores beside it, see `Mixture`. Ours, from no paper.

        y       = normalised mean of the heads' normalised interests        `Attention` over rows g, [W]
        f(u, j) = v · b(j) E_j + c Σ y · g_j / |g_j|                        the first product as in `SpectralNet`

    The attention learns by itself from random vectors: the next items by their cosine with y, against uniform
    negatives. What it finds is another thing than what counts say. The sum is over `mix_number` of them.
    """

    name = "spectral_mix"

    def __init__(self, factors: Factors, network: Network, distillation: Distillation, attention: Attending):
        super().__init__(factors, network, distillation, extra=attention.mix_number * attention.mix_size)
        sizes = {"item_count": factors.item_count, "seq_len": factors.maxlen}
        self.extractor, self.others = several(
            Attention, attention.mix_number, **sizes, negatives=network.neg_samples, options=attention
        )
