"""Spectral factors and vectors learned by gradient side by side, and a student of both with few dimensions."""

import paddle

from models.base.gradient_model import GradientModel
from models.base.keywords import flat_options
from models.base.options import Common, Interests, Loss
from models.layers.features import create_item_table
from models.layers.functional import l2_normalize, length_mask
from models.layers.read_out import LabelAwareAttention
from models.layers.self_attention import SelfAttention
from models.layers.tower import Tower
from models.losses.objective import create_objective
from models.spectral.descent import descend
from models.spectral.factors import Factors
from models.spectral.net import Network, NetworkModel, silence
from models.spectral.student import Student
from models.spectral.subspaces import find_subspaces

HEADS = 4  # of the attention
UNITS = 64  # of its hidden layer
BATCH = 256  # samples a step
SORTED = 32  # batches that are drawn at once, for histories of like lengths to stand together
RATE = 3e-3  # learning rate of the first step; it falls as a cosine
TARGETS = 3  # the next so many items a sample
HARDNESS = 0.1  # of negatives, see `HardNegativeSoftmax`
TEMPERATURE = 0.1
STUDENT = 512  # units of the student's hidden layer
SAMPLE = 8192  # histories, for how users' vectors lie
BEST = 200  # scores of a user that tell a model's scale


@flat_options
class SpectralMix(NetworkModel):
    """`SpectralNet` and an attention model that scores beside it. Ours, from no paper.

        y       = normalised mean of the heads' normalised interests        `SelfAttention` over rows g, [W]
        f(u, j) = v · b(j) E_j + c y · g_j / |g_j|                          the first product as in `SpectralNet`

    The attention learns by itself from random vectors, as `REMI` does without its regularisation: cosine, the next
    items, hard uniform negatives (`attend`). What it finds is another thing than
    what counts say. c is such that the best scores of a user deviate `mix_share` times as much by the second product
    as by the first (`best_spread`).

    R + W dimensions are more than K vectors have. As many are kept as K subspaces have, found as in `Spectral`, in
    coordinates x in which users' vectors [v; y] are alike in all directions (`cut`); from there a `Student` learns to
    score as the whole does, and interest k is `(x B + MLP(x))_k` (`read`). It learns them without `spectral_strength`,
    which is best left at 0.

    Args:
        mix_size: W, size of the attention's vectors.
        mix_share: how much the attention's scores count; those of the factors count 1.
        mix_dropout: share of the values of the history's rows that a step of the attention drops.
        mix_epochs: passes of the attention over as many samples as there are events.
        mix_student_epochs: passes of the student over all events; 0: the cut as it is.
        mix_truth: t, how much the items that followed count in what the student learns.
    """

    name = "spectral_mix"

    def __init__(
        self,
        factors: Factors,
        network: Network,
        *,
        mix_size=256,
        mix_share=0.3,
        mix_dropout=0.6,
        mix_epochs=8,
        mix_student_epochs=2,
        mix_truth=0.1,
    ):
        super().__init__(factors, network, extra=mix_size)
        self.mix_size, self.share, self.mix_dropout, self.mix_epochs = mix_size, mix_share, mix_dropout, mix_epochs
        self.student_epochs, self.truth = mix_student_epochs, mix_truth
        size = self.interest_num * self.size
        self.refine = Tower(input_size=self.rank + mix_size, output_size=size, sizes=(STUDENT,))
        silence(self.refine)  # it says nothing unless the student learns
        self.extractor = SelfAttention(hidden_size=mix_size, seq_len=factors.maxlen, interest_num=HEADS, units=UNITS)

    def read(self, hist_eb, weight, seq_len):
        """Rows `[B, T, R + W]`, weights `[B, 1, T]` and lengths `[B]` to interests side by side, `[B, K·size]`."""
        both = self.both(hist_eb, weight, seq_len)
        return paddle.matmul(both, self.bases) + self.refine(both)

    def both(self, hist_eb, weight, seq_len):
        """v and y above, of rows `[B, T, R + W]`, weights `[B, 1, T]` and lengths `[B]`: `[B, R + W]`."""
        counted, learned = hist_eb.split([self.rank, self.mix_size], axis=2)
        # Not where the weight is above 0: r^n of an old item may be too small a number.
        interests = l2_normalize(self.extractor(learned, length_mask(seq_len, hist_eb.shape[1])))  # [B, HEADS, W]
        vector = self.encode(paddle.matmul(weight, counted).squeeze(1))
        return paddle.concat([vector, l2_normalize(interests.mean(axis=1))], axis=1)

    def cut(self, events, left, right, column, spread):
        """Learn the attention, find the subspaces, learn in them; arguments as in `NetworkModel.cut`."""
        rows = self.attend(events)  # [item_count, W]
        self.item_table.weight.set_value(paddle.concat([left, rows], axis=1))
        users = paddle.concat([self.users(events, events.draw(BATCH)) for _ in range(SAMPLE // BATCH)])
        sides = [right / column, l2_normalize(rows)]
        parts = zip(users.split([self.rank, self.mix_size], axis=1), sides, (1.0, self.share), strict=True)
        both = paddle.concat([share / best_spread(user, side) * side for user, side, share in parts], axis=1)
        square, turn = paddle.linalg.eigh(paddle.matmul(users, users, transpose_x=True) / len(users))
        root = paddle.clip(square, min=1e-9 * float(square.max())).sqrt()
        whole, alike = paddle.matmul(both, turn * root), turn / root  # users' vectors times that are alike all around
        owner, bases = find_subspaces(whole * column, self.interest_num, self.size)
        student = Student(whole=whole, owner=owner, bases=bases, tower=self.refine)
        student.learn(
            events,
            lambda place: paddle.matmul(self.users(events, place), alike),
            epochs=self.student_epochs,
            truth=self.truth,
            watch=self.watch,
        )
        self.bases.set_value(paddle.matmul(alike, student.linear))
        first = self.refine.layers[0]
        first.weight.set_value(paddle.matmul(alike, first.weight))
        self.set_target(student.item_vectors(), owner)

    @paddle.no_grad()
    def users(self, events, place):
        """v and y of the histories of events at places `[B]`: `[B, R + W]`."""
        hist_item, seq_len = events.histories(place)
        return self.both(self.item_table(hist_item), self.weigh(seq_len, self.maxlen), seq_len)

    def attend(self, events):
        """Learn the attention by the next items: its rows, `[item_count, W]`."""
        common = Common(
            item_count=self.item_count,
            embedding_dim=self.mix_size,
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


def best_spread(user, side):
    """Mean over users of how far their best scores deviate: users' vectors `[N, R]`, items' `[item_count, R]`."""
    score = paddle.matmul(user[:BATCH], side, transpose_y=True)  # [BATCH, item_count]
    return score.topk(min(BEST, len(side)), axis=1)[0].std(axis=1).mean()
