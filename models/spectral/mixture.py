"""What models have in common that score by spectral factors and by others beside them, learned by gradient."""

from dataclasses import dataclass

import paddle

from models.base.keywords import option
from models.layers.functional import length_mask
from models.layers.tower import Tower
from models.spectral.beside import Beside
from models.spectral.factors import Factors
from models.spectral.net import Network, NetworkModel, silence
from models.spectral.student import Student
from models.spectral.subspaces import find_subspaces

BATCH = 256  # users at once
STUDENT = 512  # units of the student's hidden layer
SAMPLE = 8192  # histories, for how users' vectors lie
BEST = 200  # scores of a user that tell a model's scale


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """How both are said in few dimensions."""

    mix_student_epochs: int = option("passes of the student, which learns the whole model's scores; 0: none", default=2)
    mix_truth: float = option("t, share of the real next items in the student's targets", default=0.1)


class Mixture(NetworkModel):
    """`SpectralNet`, models that score beside it, and a student of all.

        f(u, j) = v · b(j) E_j + Σ_m c_m y_m · g_mj                         the first product as in `SpectralNet`

    y_m `[W_m]` and g_m are of model m, one of those `Beside`, which learns by itself from random vectors. c_m is such
    that the best scores of a user deviate `share` times as much by its product as by the first (`best_spread`).

    R + Σ W_m dimensions are more than K vectors have. As many are kept as K subspaces have, found as in `Spectral`, in
    coordinates x in which users' vectors [v; y_1; …] are alike in all directions (`cut`); from there a `Student` learns
    to score as the whole does, and interest k is `(x B + MLP(x))_k` (`read`). It learns them without
    `spectral_strength`, which is best left at 0.

    An heir makes those `Beside` attributes of its own, or of a list, and gives the sum of their W.

    Args:
        factors, network, distillation: options.
        extra: that sum.
    """

    def __init__(self, factors: Factors, network: Network, distillation: Distillation, *, extra):
        super().__init__(factors, network, extra=extra)
        self.student_epochs, self.truth = distillation.mix_student_epochs, distillation.mix_truth
        self.refine = Tower(input_size=self.rank + extra, output_size=self.interest_num * self.size, sizes=(STUDENT,))
        silence(self.refine)  # it says nothing unless the student learns

    @property
    def beside(self) -> list[Beside]:
        """What scores beside the network."""
        return [one for one in self.sublayers() if isinstance(one, Beside)]

    @property
    def sizes(self) -> list[int]:
        """R, W_1, …, of the parts of a row and of a user's vector."""
        return [self.rank, *(one.size for one in self.beside)]

    def read(self, hist_eb, weight, seq_len):
        """Rows `[B, T, R']`, weights `[B, 1, T]` and lengths `[B]` to interests side by side, `[B, K·size]`."""
        both = self.both(hist_eb, weight, seq_len)
        return paddle.matmul(both, self.bases) + self.refine(both)

    def both(self, hist_eb, weight, seq_len):
        """v, y_1, … above, of rows `[B, T, R']`, weights `[B, 1, T]` and lengths `[B]`: `[B, R']`."""
        counted, *learned = hist_eb.split(self.sizes, axis=2)
        # Not where the weight is above 0: r^n of an old item may be too small a number.
        mask = length_mask(seq_len, hist_eb.shape[1])
        vector = self.encode(paddle.matmul(weight, counted).squeeze(1))
        # By places: Paddle's translation of exports knows no `zip(…, strict=True)`.
        others = [one.vector(one(learned[place], mask)) for place, one in enumerate(self.beside)]
        return paddle.concat([vector, *others], axis=1)

    def cut(self, events, left, right, column, spread):
        """Learn those beside, find the subspaces, learn in them; arguments as in `NetworkModel.cut`."""
        rows = [one.learn(events, self.watch) for one in self.beside]  # [item_count, W] each
        self.item_table.weight.set_value(paddle.concat([left, *rows], axis=1))
        users = paddle.concat([self.users(events, events.draw(BATCH)) for _ in range(SAMPLE // BATCH)])
        sides = [right / column, *(one.side(its) for one, its in zip(self.beside, rows, strict=True))]
        shares = [1.0, *(one.share for one in self.beside)]
        parts = zip(users.split(self.sizes, axis=1), sides, shares, strict=True)
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
        """v, y_1, … of the histories of events at places `[B]`: `[B, R']`."""
        hist_item, seq_len = events.histories(place)
        longest = int(seq_len.max())
        return self.both(self.item_table(hist_item[:, :longest]), self.weigh(seq_len, longest), seq_len)


def best_spread(user, side):
    """Mean over users of how far their best scores deviate: users' vectors `[N, R]`, items' `[item_count, R]`."""
    score = paddle.matmul(user[:BATCH], side, transpose_y=True)  # [BATCH, item_count]
    return score.topk(min(BEST, len(side)), axis=1)[0].std(axis=1).mean()
