"""Spectral factors and an attention model that is learned by gradient, side by side."""

import paddle

from models.base.gradient_model import GradientModel
from models.base.keywords import flat_options
from models.base.options import Common, Interests, Loss
from models.layers.features import create_item_table
from models.layers.functional import l2_normalize
from models.layers.read_out import LabelAwareAttention
from models.layers.self_attention import SelfAttention
from models.losses.objective import create_objective
from models.spectral.descent import descend
from models.spectral.factors import Factors
from models.spectral.mixture import Distillation, Mixture
from models.spectral.net import Network

HEADS = 4  # of the attention
UNITS = 64  # of its hidden layer
BATCH = 256  # samples a step
SORTED = 32  # batches that are drawn at once, for histories of like lengths to stand together
RATE = 3e-3  # learning rate of the first step; it falls as a cosine
TARGETS = 3  # the next so many items a sample
HARDNESS = 0.1  # of negatives, see `HardNegativeSoftmax`
TEMPERATURE = 0.1


@flat_options
class SpectralMix(Mixture):
    """`SpectralNet` and an attention model that scores beside it, see `Mixture`. Ours, from no paper.

        y       = normalised mean of the heads' normalised interests        `SelfAttention` over rows g, [W]
        f(u, j) = v · b(j) E_j + c y · g_j / |g_j|                          the first product as in `SpectralNet`

    The attention learns by itself from random vectors, as `REMI` does without its regularisation: cosine, the next
    items, hard uniform negatives (`attend`). What it finds is another thing than what counts say.

    Args:
        mix_size: W, size of the attention's vectors.
        mix_share: how much the attention's scores count; those of the factors count 1.
        mix_dropout: share of the values of the history's rows that a step of the attention drops.
        mix_epochs: passes of the attention over as many samples as there are events.
    """

    name = "spectral_mix"

    def __init__(
        self,
        factors: Factors,
        network: Network,
        distillation: Distillation,
        *,
        mix_size=256,
        mix_share=0.3,
        mix_dropout=0.6,
        mix_epochs=8,
    ):
        super().__init__(factors, network, distillation, size=mix_size, share=mix_share)
        self.extractor = SelfAttention(hidden_size=mix_size, seq_len=factors.maxlen, interest_num=HEADS, units=UNITS)
        self.mix_dropout, self.mix_epochs = mix_dropout, mix_epochs

    def vector(self, interests):
        """The normalised mean of the heads' normalised interests, `[B, HEADS, W]`: `[B, W]`."""
        return l2_normalize(l2_normalize(interests).mean(axis=1))

    def side(self, rows):
        """Rows `[item_count, W]`, normalised."""
        return l2_normalize(rows)

    def attend(self, events):
        """Learn the attention by the next items: its rows, `[item_count, W]`."""
        common = Common(
            item_count=self.item_count,
            embedding_dim=self.extra,
            maxlen=self.maxlen,
            similarity="cosine",
            dropout=self.mix_dropout,
        )
        loss = Loss(
            temperature=TEMPERATURE,
            negatives="uniform",
            neg_samples=self.neg_samples,
            hard_negative_beta=HARDNESS,
        )
        model = GradientModel(
            common,
            Interests(interest_num=HEADS),
            item_table=create_item_table(common, loss),
            extractor=self.extractor,
            read_out=LabelAwareAttention(),
            objective=create_objective(item_num=self.item_count - 1, **vars(loss)),
        )
        steps = self.mix_epochs * -(-len(events.values) // BATCH)
        places = self.watch(of_like_lengths(events, steps), name="attention", total=steps)
        losses = (model.loss(*sample(events, place)) for place in places)
        model.train()
        descend(losses, steps=steps, rate=RATE, parameters=model.parameters())
        model.eval()
        return model.item_rows().detach()


def of_like_lengths(events, steps):
    """Events' places for so many steps, `[BATCH]` each: drawn at random, those of a batch with as long histories.

    Most histories are short. Where each batch has a long one, three quarters of its places are padding.
    """
    for at in range(0, steps, SORTED):
        number = min(SORTED, steps - at)
        place = events.draw(number * BATCH)
        batches = place[events.number_before(place).argsort()].reshape([number, BATCH])
        for index in paddle.randperm(number).tolist():
            yield batches[index]


def sample(events, place):
    """Histories `[B, longest]`, the next items `[B, TARGETS]` and lengths `[B]` of events at places `[B]`."""
    hist_item, seq_len = events.histories(place)
    later, real = events.after(place)
    return hist_item[:, : int(seq_len.max())], (later * real.astype("int64"))[:, :TARGETS], seq_len
