"""Interests from the spectrum of what followed what: a truncated SVD, with a subspace of its own for each interest."""

import math
from dataclasses import dataclass

import paddle

from models.base.fit_libraries import libraries
from models.base.keywords import flat_options, option
from models.base.options import Sizes
from models.base.recommender import Recommender, frozen_table
from models.layers.functional import length_mask
from models.spectral.counts import count
from models.spectral.subspaces import find_subspaces, in_own
from models.spectral.svd import truncated_svd


@dataclass(frozen=True, kw_only=True)
class Factors(Sizes):
    """How factors are counted and cut."""

    interest_num: int = option("K, vectors a user", default=4)
    spectral_rank: int | None = option(
        "number of singular values kept; None: as many as K vectors of size D can hold", default=None
    )
    spectral_recency: float = option("r; the history's n-th last item counts r^(n-1)", default=0.75)
    spectral_outlook: float = option("o; the n-th item from the event on counts o^(n-1)", default=1.0)
    spectral_strength: float = option("exponent of an interest's length in its weight", default=0.0)
    spectral_backward: float = option("weight of the counts against the direction of time", default=0.1)
    spectral_smoothing: float = option("added to the counts of items, so that rare items weigh less", default=15.0)

    @property
    def size(self):
        """Dimensions of a subspace; with several there are two beside them, see `SpectralModel.gate`."""
        return self.embedding_dim - 2 if self.interest_num > 1 else self.embedding_dim

    @property
    def rank(self):
        """R, no more than there are items."""
        return min(self.spectral_rank or self.size * self.interest_num, self.item_count)


class SpectralModel(Recommender):
    """What the family has in common: counts, factors, subspaces, and interests with a gate.

    Args:
        factors: options.
        row_size: R', size of the item table's rows.
    """

    name: str  # in the registry, for the message where the extra is missing

    def __init__(self, factors: Factors, *, row_size):
        super().__init__(item_count=factors.item_count, maxlen=factors.maxlen)
        self.interest_num = interest_num = factors.interest_num
        self.recency, self.outlook = factors.spectral_recency, factors.spectral_outlook
        self.strength = factors.spectral_strength
        self.backward, self.smoothing = factors.spectral_backward, factors.spectral_smoothing
        self.size, self.rank = factors.size, factors.rank
        self.item_table = frozen_table(factors.item_count, row_size)
        self.register_buffer("target", paddle.zeros([factors.item_count, factors.embedding_dim]))
        angle = 2 * math.pi / interest_num * paddle.arange(interest_num, dtype="float32")
        self.register_buffer("corner", paddle.stack([angle.cos(), angle.sin()], axis=1), persistable=False)  # [K, 2]

    def factorise(self, items):
        """`X^-1/2 U` and `Q S^1/2`, both `[item_count, R]`, and `Y^-1/2`, `[item_count, 1]`; items as in `fit`."""
        sparse = libraries(self.name)[1]
        matrix = count(
            sparse,
            items,
            item_count=self.item_count,
            maxlen=self.maxlen,
            recency=self.recency,
            outlook=self.outlook,
            backward=self.backward,
        )
        row, column = (paddle.to_tensor(matrix.sum(axis=axis)).flatten() + self.smoothing for axis in (1, 0))
        row, column = row.astype("float32").rsqrt(), column.astype("float32").rsqrt()  # X^-1/2, Y^-1/2
        matrix.data *= row.numpy().repeat(matrix.getnnz(axis=1))  # in place: no copies of what is largest here
        matrix.data *= column.numpy()[matrix.indices]
        left, strength, right = truncated_svd(matrix, self.rank)
        return left * row.unsqueeze(1), right * strength.sqrt(), column.unsqueeze(1)

    def set_target(self, own, owner):
        """Take what interests are searched among.

        Args:
            own: each item in the basis of its own subspace, `[item_count, size]`.
            owner: each item's interest, `[item_count]`.
        """
        if self.interest_num > 1:
            own = paddle.concat([own, own.norm(axis=1).max() * self.corner[owner]], axis=1)
        own[0] = 0.0
        self.target.set_value(own)

    def route_rows(self, hist_eb, seq_len, context_eb=None):
        """Interests `[B, K, D]` of rows `[B, T, R']`, the table's, and what each item counts, `[B, K, T]`."""
        weight = self.weigh(seq_len, hist_eb.shape[1])
        interests = self.read(hist_eb, weight, seq_len).reshape([-1, self.interest_num, self.size])
        if self.interest_num > 1:
            longest = interests.norm(axis=2, keepdim=True).max(axis=1, keepdim=True)  # [B, 1, 1]
            if self.strength:
                share = interests.norm(axis=2, keepdim=True) / paddle.clip(longest, min=1e-18)  # [B, K, 1]
                interests = interests * share**self.strength
            interests = paddle.concat([interests, self.gate(longest)], axis=2)
        return interests, weight.expand([-1, self.interest_num, -1])

    def weigh(self, seq_len, length):
        """r^n of each item of right-padded histories of so many places, 0 at padding: `[B]` to `[B, 1, T]`."""
        place = seq_len.unsqueeze(1) - 1 - paddle.arange(length)  # from the end, [B, T]
        place = paddle.clip(place, min=0)  # padding's r^-n would be infinite, and no number times 0
        weight = paddle.to_tensor(self.recency) ** place.astype("float32") * length_mask(seq_len, length)
        return weight.unsqueeze(1)

    def read(self, hist_eb, weight, seq_len):
        """Rows `[B, T, R']`, with weights `[B, 1, T]` and lengths `[B]`, as interests, side by side: `[B, K·size]`."""
        return paddle.matmul(weight, hist_eb).squeeze(1)

    def gate(self, longest):
        """Two values of each interest: with those of the items, no other interest's score reaches an item's own.

        For an item of subspace j, `v_k · e` without the two is from -|v||e| to |v||e|, v the user's longest interest;
        with them the score of interest j is larger by a number that all items share, and by `2 |v||e|` at least than
        that of any other interest. `[B, 1, 1]` to `[B, K, 2]`.
        """
        return 2.0 / (1.0 - math.cos(2 * math.pi / self.interest_num)) * longest * self.corner

    def item_vectors(self):
        """What interests are searched among: `[item_count, D]`, row 0 zero."""
        return self.target


@flat_options
class Spectral(SpectralModel):
    """Items that follow each other, as inner products of low rank, in closed form. Ours, from no paper.

        C_ij    = Σ_events share(r^n of i) share(o^m of j)                  `count`; i stands in a history, j follows
        C       ← C + backward Cᵀ
        M       = X^-1/2 C Y^-1/2 ≈ U S Qᵀ                                  `factorise`; R singular values
        f(u, j) = Σ_n r^n (X^-1/2 U)_i(n) · (Y^1/2 Q S^1/2)_j               i(n): the item n places from the end

    Each event of a training user, with the `maxlen` items before it and as many from it on, counts once, spread over
    all pairs; n counts places from the end of the history, m from the event on. X and Y hold the sums of C's rows and
    columns and `smoothing`.

    With one interest the rank is D. With K it may be K times as much (`find_subspaces`): each item belongs to that one
    of K subspaces of the right singular vectors which holds most of it (Bradley and Mangasarian 2000, k-plane
    clustering), and interest k is what the history says of the items of subspace k. Two values of each vector see to
    it that an item scores highest with its own interest (`gate`): points on a circle, one an interest. An interest
    counts by `(|v_k| / max_j |v_j|)^strength`: where the history says much, it is more often right.
    """

    name = "spectral"

    def __init__(self, factors: Factors):
        super().__init__(factors, row_size=factors.size * factors.interest_num)

    def fit(self, items):
        """Count, factorise, and find the subspaces.

        Args:
            items: the training users' items, one user after the other.

        Raises:
            ImportError: without the extra `baselines`.
        """
        left, right, column = self.factorise(items)
        owner, bases = find_subspaces(right, self.interest_num, self.size)
        self.item_table.weight.set_value(paddle.matmul(left, paddle.concat(bases, axis=1)))
        self.set_target(in_own(right / column, owner, bases), owner)
