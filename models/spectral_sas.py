"""Spectral factors and SASRec side by side, as K vectors."""

from dataclasses import dataclass

from models.base.keywords import flat_options, option
from models.base.options import Common, Loss, Transformer
from models.layers.transformer import CausalTransformer
from models.sasrec import SASRec
from models.spectral.beside import Beside, several
from models.spectral.descent import descend
from models.spectral.events import passes
from models.spectral.factors import Factors
from models.spectral.mixture import Distillation, Mixture
from models.spectral.net import Network

BATCH = 128  # users a step
RATE = 2e-3  # learning rate of the first step; it falls as a cosine
NEGATIVES = 1024  # a step, uniform, shared by its users
DEVIATION = 0.02  # of the first rows


@dataclass(frozen=True, kw_only=True)
class Following(Transformer):
    """How the transformer is shaped and learned, and how much it counts."""

    sas_size: int = option("W, size of the transformer's vectors", default=64)
    sas_number: int = option("how many transformers, each from random vectors of its own", default=1)
    sas_share: float = option("deviation of all their scores over the factors'", default=0.5)
    sas_dropout: float = option("dropout of the transformer", default=0.4)
    sas_epochs: int = option("passes of the transformer over all users", default=30)


class NextItem(CausalTransformer, Beside):
    """The transformer of `SASRec`: y is the last state, g the rows as they are.

    It learns the next item after every behaviour, against uniform negatives.

    Args:
        item_count: with the padding row 0.
        seq_len: T, the longest history.
        options: its keys.
    """

    def __init__(self, *, item_count, seq_len, options: Following):
        super().__init__(
            hidden_size=options.sas_size,
            seq_len=seq_len,
            blocks=options.transformer_blocks,
            heads=options.transformer_heads,
            dropout=options.sas_dropout,
        )
        self.common = Common(
            item_count=item_count,
            embedding_dim=options.sas_size,
            maxlen=seq_len,
            dropout=options.sas_dropout,
            init_std=DEVIATION,
        )
        self.transformer = Transformer(
            transformer_blocks=options.transformer_blocks, transformer_heads=options.transformer_heads
        )
        self.size, self.share = options.sas_size, options.sas_share / options.sas_number
        self.epochs = options.sas_epochs

    def vector(self, interests):
        """The one interest, `[B, 1, W]`: `[B, W]`."""
        return interests.squeeze(1)

    def side(self, rows):
        """Rows `[item_count, W]` as they are."""
        return rows

    def learn(self, events, watch):
        """Learn as `SASRec` does: its rows, `[item_count, W]`."""
        loss = Loss(negatives="uniform", neg_samples=NEGATIVES)
        model = SASRec(**vars(self.common), **vars(loss), **vars(self.transformer))
        last = (events.end - 1)[events.taught]  # the last event of each user who has one before
        places, steps = passes(last, epochs=self.epochs, size=BATCH)
        watched = watch(places, name="transformer", total=steps)
        losses = (model.loss(*sample(events, place)) for place in watched)
        model.train()
        descend(losses, steps=steps, rate=RATE, parameters=model.parameters())
        model.eval()
        self.set_state_dict(model.extractor.state_dict())
        return model.item_rows().detach()


def sample(events, place):
    """Histories `[B, longest]`, the next item `[B]` and lengths `[B]` of events at places `[B]`."""
    hist_item, seq_len = events.histories(place)
    return hist_item[:, : int(seq_len.max())], events.values[place], seq_len


@flat_options
class SpectralSAS(Mixture):
    """`SpectralNet` and `SASRec`, which scores beside it, see `Mixture`. Ours, from no paper.

        y       = the last state of the transformer over rows g, [W]        `NextItem`
        f(u, j) = v · b(j) E_j + c Σ y · g_j                                the first product as in `SpectralNet`

    Counts say which items follow which, the transformer what the order of the last few says. The sum is over
    `sas_number` transformers, since chance leads each of them another way. With `spectral_epochs: 0` the factors are
    as in `Spectral`, with no network on them.
    """

    name = "spectral_sas"

    def __init__(self, factors: Factors, network: Network, distillation: Distillation, transformer: Following):
        super().__init__(factors, network, distillation, extra=transformer.sas_number * transformer.sas_size)
        sizes = {"item_count": factors.item_count, "seq_len": factors.maxlen}
        self.extractor, self.others = several(NextItem, transformer.sas_number, **sizes, options=transformer)
