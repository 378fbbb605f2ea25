"""An attention model beside spectral factors, learned by gradient."""

from dataclasses import dataclass

import paddle
from paddle import nn

from models.base.keywords import option
from models.layers.features import ItemTable
from models.layers.functional import drop, l2_normalize, length_mask
from models.layers.self_attention import SelfAttention
from models.losses.softmax import NEVER, LogMass
from models.spectral.beside import Beside
from models.spectral.descent import descend
from models.spectral.events import of_like_lengths

HEADS = 4  # of the attention
UNITS = 64  # of its hidden layer
BATCH = 512  # samples a step
RATE = 4e-3  # learning rate of the first step; it falls as a cosine
TARGETS = 3  # the next so many items a sample
TEMPERATURE = 0.1


@dataclass(frozen=True, kw_only=True)
class Attending:
    """How the attention is shaped and learned, and how much it counts."""

    mix_size: int = option("W, size of the attention's vectors", default=128)
    mix_number: int = option("how many attention models, each from random vectors", default=1)
    mix_share: float = option("deviation of all their scores over the factors'", default=0.3)
    mix_dropout: float = option("dropout of the attention model", default=0.6)
    mix_epochs: int = option("passes of the attention over all events", default=5)


class Attention(SelfAttention, Beside):
    """ComiRec-SA's extractor, read as one vector: y is the normalised mean of the heads' normalised interests.

    It learns the next items by their cosine with y, against uniform negatives.

    Args:
        item_count: with the padding row 0.
        seq_len: T, the longest history.
        negatives: how many a step.
        options: its keys.
    """

    def __init__(self, *, item_count, seq_len, negatives, options: Attending):
        super().__init__(hidden_size=options.mix_size, seq_len=seq_len, interest_num=HEADS, units=UNITS)
        self.item_count, self.negatives = item_count, negatives
        self.size, self.share = options.mix_size, options.mix_share / options.mix_number
        self.dropout, self.epochs = options.mix_dropout, options.mix_epochs

    def vector(self, interests):
        """The normalised mean of the heads' normalised interests, `[B, HEADS, W]`: `[B, W]`."""
        return l2_normalize(l2_normalize(interests).mean(axis=1))

    def side(self, rows):
        """Rows `[item_count, W]`, normalised."""
        return l2_normalize(rows)

    def learn(self, events, watch):
        """Learn by the next items: its rows, `[item_count, W]`."""
        table = ItemTable(item_count=self.item_count, embedding_dim=self.size, sparse=True, init_std=self.size**-0.5)
        steps = self.epochs * -(-len(events.values) // BATCH)
        drawn = of_like_lengths(events, (events.draw(BATCH) for _ in range(steps)))
        places = watch(drawn, name="attention", total=steps)
        losses = (self.loss(table, *sample(events, place)) for place in places)
        descend(losses, steps=steps, rate=RATE, parameters=[table.weight, *self.parameters()])
        return table.weight.detach()

    def loss(self, table, hist_item, target_item, seq_len):
        """Mean cross-entropy of each of the next items by its cosine with y, against negatives that are none of them.

        Args:
            table: the rows g.
            hist_item, target_item, seq_len: `[B, T]`, `[B, M]`, `[B]`.
        """
        negative_item = paddle.unique(paddle.randint(1, self.item_count, [self.negatives]))  # [n], rising
        hist_eb, target_eb, negative_eb = table.look_up(hist_item, target_item, negative_item)
        interests = self(drop(hist_eb, self.dropout), length_mask(seq_len, hist_item.shape[1]))
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
