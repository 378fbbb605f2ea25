"""Spectral factors and SASRec side by side, as K vectors."""

from models.base.keywords import flat_options
from models.base.options import Common, Loss, Transformer
from models.layers.transformer import CausalTransformer
from models.sasrec import SASRec
from models.spectral.descent import descend
from models.spectral.events import passes
from models.spectral.factors import Factors
from models.spectral.mixture import Distillation, Mixture
from models.spectral.net import Network

BATCH = 128  # users a step
RATE = 2e-3  # learning rate of the first step; it falls as a cosine
NEGATIVES = 1024  # a step, uniform, shared by its users
DEVIATION = 0.02  # of the first rows


@flat_options
class SpectralSAS(Mixture):
    """`SpectralNet` and `SASRec`, which scores beside it, see `Mixture`. Ours, from no paper.

        y       = the last state of the transformer over rows g, [W]        `CausalTransformer`
        f(u, j) = v · b(j) E_j + c y · g_j                                  the first product as in `SpectralNet`

    Counts say which items follow which, the transformer what the order of the last few says. It learns by itself the
    next item after every behaviour, against uniform negatives (`attend`). With `spectral_epochs: 0` the factors are as
    in `Spectral`, with no network on them.

    Args:
        sas_size: W, size of the transformer's vectors.
        sas_share: how much the transformer's scores count; those of the factors count 1.
        sas_dropout: dropout of the transformer.
        sas_epochs: passes of the transformer over all training users.
    """

    name = "spectral_sas"

    def __init__(
        self,
        factors: Factors,
        network: Network,
        distillation: Distillation,
        transformer: Transformer,
        *,
        sas_size=64,
        sas_share=0.5,
        sas_dropout=0.2,
        sas_epochs=15,
    ):
        super().__init__(factors, network, distillation, size=sas_size, share=sas_share)
        self.extractor = CausalTransformer(
            hidden_size=sas_size,
            seq_len=factors.maxlen,
            blocks=transformer.transformer_blocks,
            heads=transformer.transformer_heads,
            dropout=sas_dropout,
        )
        self.transformer = transformer
        self.sas_dropout, self.sas_epochs = sas_dropout, sas_epochs

    def vector(self, interests):
        """The one interest, `[B, 1, W]`: `[B, W]`."""
        return interests.squeeze(1)

    def side(self, rows):
        """Rows `[item_count, W]` as they are."""
        return rows

    def attend(self, events):
        """Learn SASRec by the next items: its rows, `[item_count, W]`."""
        common = Common(
            item_count=self.item_count,
            embedding_dim=self.extra,
            maxlen=self.maxlen,
            dropout=self.sas_dropout,
            init_std=DEVIATION,
        )
        loss = Loss(negatives="uniform", neg_samples=NEGATIVES)
        model = SASRec(**vars(common), **vars(loss), **vars(self.transformer))
        last = (events.end - 1)[events.taught]  # the last event of each user who has one before
        places, steps = passes(last, epochs=self.sas_epochs, size=BATCH)
        watched = self.watch(places, name="transformer", total=steps)
        losses = (model.loss(*sample(events, place)) for place in watched)
        model.train()
        descend(losses, steps=steps, rate=RATE, parameters=model.parameters())
        model.eval()
        self.extractor.set_state_dict(model.extractor.state_dict())
        return model.item_rows().detach()


def sample(events, place):
    """Histories `[B, longest]`, the next item `[B]` and lengths `[B]` of events at places `[B]`."""
    hist_item, seq_len = events.histories(place)
    return hist_item[:, : int(seq_len.max())], events.values[place], seq_len
