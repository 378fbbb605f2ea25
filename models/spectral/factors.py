"""Interests from the spectrum of what followed what: a truncated SVD, with a subspace of its own for each interest."""

import math

import paddle
from paddle import nn

from models.base.fit_libraries import libraries
from models.base.recommender import Recommender
from models.layers.functional import l2_normalize, length_mask

EXTRA = 16  # directions beside those that are kept, which make the others converge
SWEEPS = 5  # of the subspace iteration
ROUNDS = 30  # at most, of the items' assignment to subspaces
TRIES = 8  # from different first assignments


class Spectral(Recommender):
    """Items that follow each other, as inner products of low rank, in closed form.

    `C_ij` is how often item i stands in a history when j comes afterwards: each event of a training user, with the
    `maxlen` items before it and as many from it on, counts once, spread over all pairs; a history's item by `r^n`, n
    its place from the end, a later one by `o^n`, n its place from the event on. `backward` of the same counts goes from
    j to i. `M = X^-1/2 C Y^-1/2`, where X and Y hold the sums of C's rows and columns and `smoothing`, is cut to its
    largest singular values, `M = U S Q'`, and `f(u, j) = sum_n r^n (X^-1/2 U)_i(n) · (Y^1/2 Q S^1/2)_j`.

    With one interest the rank is D. With K it may be K times as much: each item belongs to that one of K subspaces of
    the right singular vectors which holds most of it (Bradley and Mangasarian 2000, K-plane
    clustering), and interest k is what the history says of the items of subspace k. Two values of each vector see to
    it that an item scores highest with its own interest: points on a circle, one an interest. An interest counts by
    `(|v_k| / max_j |v_j|)^strength`: where the history says much, it is more often right.

    Args:
        item_count, maxlen: see `Recommender`.
        embedding_dim: D, of interests and item vectors.
        interest_num: K.
        spectral_rank: R, how many singular values are kept; None: as many as K subspaces may have dimensions.
        spectral_recency: r, in training and for the history.
        spectral_outlook: o.
        spectral_strength: strength.
        spectral_backward: share of the counts that also goes the other way.
        spectral_smoothing: added to the sums of rows and columns: the larger, the less rare items say.
    """

    name = "spectral"  # for the message where the extra is missing

    def __init__(
        self,
        *,
        item_count,
        maxlen,
        embedding_dim,
        interest_num=4,
        spectral_rank=None,
        spectral_recency=0.75,
        spectral_outlook=1.0,
        spectral_strength=0.0,
        spectral_backward=0.1,
        spectral_smoothing=15.0,
    ):
        super().__init__(item_count=item_count, maxlen=maxlen)
        self.interest_num, self.recency, self.outlook = interest_num, spectral_recency, spectral_outlook
        self.strength = spectral_strength
        self.backward, self.smoothing = spectral_backward, spectral_smoothing
        self.size = embedding_dim - 2 if interest_num > 1 else embedding_dim  # of a subspace
        self.rank = min(spectral_rank or self.size * interest_num, item_count)
        self.item_table = frozen_table(item_count, self.size * interest_num)
        self.register_buffer("target", paddle.zeros([item_count, embedding_dim]))
        angle = 2 * math.pi / interest_num * paddle.arange(interest_num, dtype="float32")
        self.register_buffer("corner", paddle.stack([angle.cos(), angle.sin()], axis=1), persistable=False)  # [K, 2]

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

    def factorise(self, items):
        """`X^-1/2 U` and `Q S^1/2`, both `[item_count, R]`, and `Y^-1/2`, `[item_count, 1]`; arguments as in `fit`."""
        sparse = libraries(self.name)[1]
        count = self.count(sparse, items)
        row, column = (paddle.to_tensor(count.sum(axis=axis)).flatten() + self.smoothing for axis in (1, 0))
        row, column = row.astype("float32").rsqrt(), column.astype("float32").rsqrt()  # X^-1/2, Y^-1/2
        matrix = (sparse.diags(row.numpy()) @ count @ sparse.diags(column.numpy())).tocsr()
        left, strength, right = truncated_svd(matrix, self.rank)
        return left * row.unsqueeze(1), right * strength.sqrt(), column.unsqueeze(1)

    def count(self, sparse, items):
        """C as a sparse matrix `[item_count, item_count]`; arguments as in `fit`."""
        events, first = len(items.values), paddle.to_tensor(items.offsets[:-1])
        user = paddle.repeat_interleave(paddle.arange(len(first)), paddle.to_tensor(items.offsets[1:]) - first).numpy()
        before, after = [], []
        for n in range(self.maxlen):
            earlier, later = (user[n + 1 :] == user[: events - n - 1]).nonzero()[0], (user[n:] == user[: events - n])
            later = later.nonzero()[0]
            before.append((earlier + n + 1, items.values[earlier], self.recency**n))
            after.append((later, items.values[later + n], self.outlook**n))
        shape = (events, self.item_count)
        count = (shares(sparse, before, shape).T @ shares(sparse, after, shape)).tocsr()
        return (count + self.backward * count.T).tocsr()

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


def frozen_table(item_count, size):
    """An item table of zeros that no optimizer moves, for `fit` to fill."""
    zero = paddle.ParamAttr(initializer=nn.initializer.Constant(0.0), trainable=False)
    return nn.Embedding(item_count, size, padding_idx=0, weight_attr=zero)


def in_own(vectors, owner, bases):
    """Each of the vectors `[V, R]` in the basis of its own subspace: owners `[V]`, bases `[R, size]`; `[V, size]`."""
    belongs = nn.functional.one_hot(owner, len(bases))  # [V, K]
    return sum(belongs[:, k : k + 1] * paddle.matmul(vectors, basis) for k, basis in enumerate(bases))


def shares(sparse, parts, shape):
    """A sparse matrix of (rows, columns, weight) triples, each row divided by its sum."""
    matrix = sparse.csr_matrix(shape, dtype="float32")
    for row, column, weight in parts:
        entry = paddle.full([len(row)], weight).numpy()
        matrix = matrix + sparse.csr_matrix((entry, (row, column)), shape=shape)
    total = paddle.clip(paddle.to_tensor(matrix.sum(axis=1)).flatten(), min=1e-9)
    return (sparse.diags((1.0 / total).numpy()) @ matrix).tocsr()


def truncated_svd(matrix, rank):
    """The largest singular values of a sparse matrix by subspace iteration: U `[V, rank]`, S `[rank]`, Q `[V, rank]`.

    Where the matrix is smaller than the rank, the rest is zero.
    """
    transposed = matrix.T.tocsr()
    right = paddle.randn([matrix.shape[1], rank + EXTRA])
    for _ in range(SWEEPS):
        right = paddle.linalg.qr(paddle.to_tensor(transposed @ (matrix @ right.numpy())))[0]
    product = paddle.to_tensor(matrix @ right.numpy())  # [V, rank + EXTRA]
    square, vectors = paddle.linalg.eigh(paddle.matmul(product, product, transpose_x=True))  # rising
    vectors = vectors.flip(1)[:, :rank]
    strength = paddle.clip(square.flip(0)[:rank], min=1e-12).sqrt()
    return paddle.matmul(product, vectors) / strength, strength, paddle.matmul(right, vectors)


def find_subspaces(vectors, number, size):
    """The partition of vectors `[V, R]` into so many, each near a subspace: owners `[V]` and bases `[R, size]`.

    In turn, a subspace is made of the largest principal directions of its vectors, and a vector joins the subspace
    that keeps most of it. The result depends on the start, so it is done several times; the best is taken.
    """
    tries = [_descend(vectors, _by_direction(vectors, number), number, size) for _ in range(TRIES if number > 1 else 1)]
    owner = max(tries, key=lambda one: one[0])[1]
    return owner, [principal(_owned(vectors, owner, k), size) for k in range(number)]


def _owned(vectors, owner, k):
    """Those of the vectors `[V, R]` that belong to subspace k; owners `[V]`."""
    return paddle.gather(vectors, (owner == k).nonzero().flatten())  # Paddle warns of an index that is bool


def _by_direction(vectors, number):
    """The partition that spherical k-means gives: `[V]`."""
    unit = l2_normalize(vectors)
    centre = unit[paddle.randperm(len(vectors))[:number]]  # [K, R]
    for _ in range(ROUNDS):
        owner = paddle.matmul(unit, centre, transpose_y=True).argmax(axis=1)
        centre = l2_normalize(paddle.matmul(nn.functional.one_hot(owner, number), unit, transpose_x=True))
    return owner


def _descend(vectors, owner, number, size):
    """How much of all vectors is kept, and owners, from a first partition `[V]`."""
    bases = [paddle.randn([vectors.shape[1], min(size, vectors.shape[1])]) for _ in range(number)]
    for _ in range(ROUNDS):
        bases = [_nearer(_owned(vectors, owner, k), basis) for k, basis in enumerate(bases)]
        kept = paddle.stack([paddle.matmul(vectors, basis).square().sum(axis=1) for basis in bases], axis=1)  # [V, K]
        before, owner = owner, kept.argmax(axis=1)
        if (before != owner).sum() * 1000 <= len(owner):  # the last few hardly matter
            break
    return float(kept.max(axis=1).sum()), owner


def _nearer(vectors, basis):
    """A basis `[R, size]` closer to the largest principal directions of vectors `[V, R]`, by subspace iteration."""
    square = paddle.matmul(vectors, vectors, transpose_x=True)
    for _ in range(SWEEPS):  # Paddle's eigh of a few hundred directions costs ten times as much
        basis = paddle.linalg.qr(paddle.matmul(square, basis))[0]
    return basis


def principal(vectors, size):
    """The largest principal directions of vectors `[V, R]`, without centring: `[R, size]`, zeros where R is smaller."""
    directions = paddle.linalg.eigh(paddle.matmul(vectors, vectors, transpose_x=True))[1].flip(1)[:, :size]  # rising
    return nn.functional.pad(directions, [0, 0, 0, size - directions.shape[1]])
