"""Spectral factors and an attention model that is learned by gradient, side by side."""

import paddle
from paddle import nn

from models.base.keywords import flat_options
from models.layers.features import ItemTable
from models.layers.functional import drop, l2_normalize, length_mask
from models.layers.self_attention import SelfAttention
from models.losses.softmax import NEVER, LogMass
from models.spectral.descent import descend
from models.spectral.events import of_like_lengths
from models.spectral.factors import Factors
from models.spectral.mixture import Distillation, Mixture
from models.spectral.net import Network

HEADS = 4  # of the attention
UNITS = 64  # of its hidden layer
BATCH = 512  # samples a step
RATE = 4e-3  # learning rate of the first step; it falls as a cosine
TARGETS = 3  # the next so many items a sample
TEMPERATURE = 0.1


@flat_options
class SpectralMix(Mixture):
    """`SpectralNet` and an attention model that scores beside it, see `Mixture`. Ours, from no paper.

        y       = normalised mean of the heads' normalised interests        `SelfAttention` over rows g, [W]
        f(u, j) = v · b(j) E_j + c y · g_j / |g_j|                          the first product as in `SpectralNet`

    The attention learns by itself from random vectors: the next items by their cosine with y, against uniform negatives
    (`attend`). What it finds is another thing than what counts say.

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
        mix_size=128,
        mix_share=0.3,
        mix_dropout=0.6,
        mix_epochs=5,
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
        table = ItemTable(item_count=self.item_count, embedding_dim=self.extra, sparse=True, init_std=self.extra**-0.5)
        steps = self.mix_epochs * -(-len(events.values) // BATCH)
        drawn = of_like_lengths(events, (events.draw(BATCH) for _ in range(steps)))
        places = self.watch(drawn, name="attention", total=steps)
        losses = (self.attention_loss(table, *sample(events, place)) for place in places)
        descend(losses, steps=steps, rate=RATE, parameters=[table.weight, *self.extractor.parameters()])
        return table.weight.detach()

    def attention_loss(self, table, hist_item, target_item, seq_len):
        """Mean cross-entropy of each of the next items by its cosine with y, against negatives that are none of them.

        Args:
            table: the attention's rows g.
            hist_item, target_item, seq_len: `[B, T]`, `[B, M]`, `[B]`.
        """
        negative_item = paddle.unique(paddle.randint(1, self.item_count, [self.neg_samples]))  # [n], rising
        hist_eb, target_eb, negative_eb = table.look_up(hist_item, target_item, negative_item)
        interests = self.extractor(drop(hist_eb, self.mix_dropout), length_mask(seq_len, hist_item.shape[1]))
        user = self.vector(interests) / TEMPERATURE  # [B, W]
        positive = paddle.matmul(self.side(target_eb), user.unsqueeze(2)).squeeze(2)  # [B, M]
        # Where each target would stand among the negatives: all pairs compared cost as much as their scores.
        place = paddle.clip(paddle.searchsorted(negative_item, target_item), max=len(negative_item) - 1)
        same = (negative_item[place] == target_item).astype(user.dtype)  # [B, M]
        never = paddle.zeros([len(user), len(negative_item)])
        never = paddle.put_along_axis(never, place, NEVER * same, axis=1, reduce="add")
        mass = LogMass.apply(user, self.side(negative_eb), never)
        real = (target_item > 0).astype(user.dtype)
        return (nn.functional.softplus(mass.unsqueeze(1) - positive) * real).sum() / real.sum()


def sample(events, place):
    """Histories `[B, longest]`, the next items `[B, TARGETS]` and lengths `[B]` of events at places `[B]`."""
    hist_item, seq_len = events.histories(place)
    later, real = events.after(place)
    return hist_item[:, : int(seq_len.max())], (later * real.astype("int64"))[:, :TARGETS], seq_len
