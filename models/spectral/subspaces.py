"""Subspaces that vectors lie near, one for each interest."""

import paddle
from paddle import nn

from models.layers.functional import l2_normalize

SWEEPS = 5  # of the subspace iteration
ROUNDS = 30  # at most, of the items' assignment to subspaces
TRIES = 8  # from different first assignments
SAMPLE = 16384  # vectors that these see


def find_subspaces(vectors, number, size):
    """The partition of vectors `[V, R]` into so many, each near a subspace: owners `[V]` and bases `[R, size]`.

    In turn, a subspace is made of the largest principal directions of its vectors, and a vector joins the subspace
    that keeps most of it. Where that ends depends on where it began, so it is done several times, with a sample of the
    vectors; the best goes on with all.
    """
    if number > 1:
        some = _sample(vectors)
        tries = [_descend(some, _first_bases(some, number, size)) for _ in range(TRIES)]
        _, owner, bases = max(tries, key=lambda one: one[0])
        owner = _descend(vectors, bases)[1] if some is not vectors else owner
    else:
        owner = paddle.zeros([len(vectors)], "int64")
    return owner, [principal(_owned(vectors, owner, k), size) for k in range(number)]


def _sample(vectors):
    """Vectors drawn in proportion to their squares and scaled to length 1, so that squares of projections are those of
    all, on average: `[SAMPLE, R]`. All as they are where there are no more."""
    if len(vectors) <= SAMPLE:
        return vectors
    upto = vectors.square().sum(axis=1).astype("float64").cumsum()
    drawn = paddle.searchsorted(upto, paddle.rand([SAMPLE], "float64") * upto[-1])
    return l2_normalize(paddle.gather(vectors, paddle.clip(drawn, max=len(vectors) - 1)))


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


def _first_bases(vectors, number, size):
    """Bases of the partition that spherical k-means gives: `[R, size]` each."""
    owner = _by_direction(vectors, number)
    start = [paddle.randn([vectors.shape[1], min(size, vectors.shape[1])]) for _ in range(number)]
    return [_nearer(_owned(vectors, owner, k), basis, SWEEPS) for k, basis in enumerate(start)]


def _descend(vectors, bases):
    """How much of all vectors is kept, owners `[V]` and bases, from first bases."""
    before = None
    for _ in range(ROUNDS):
        kept = paddle.stack([paddle.matmul(vectors, basis).square().sum(axis=1) for basis in bases], axis=1)  # [V, K]
        owner = kept.argmax(axis=1)
        if before is not None and (before != owner).sum() * 1000 <= len(owner):  # the last few hardly matter
            break
        before = owner
        bases = [_nearer(_owned(vectors, owner, k), basis, 1) for k, basis in enumerate(bases)]
    return float(kept.max(axis=1).sum()), owner, bases


def _nearer(vectors, basis, sweeps):
    """A basis `[R, size]` closer to the largest principal directions of vectors `[V, R]`, by subspace iteration."""
    square = paddle.matmul(vectors, vectors, transpose_x=True)
    for _ in range(sweeps):  # Paddle's eigh of a few hundred directions costs ten times as much
        basis = paddle.linalg.qr(paddle.matmul(square, basis))[0]
    return basis


def principal(vectors, size):
    """The largest principal directions of vectors `[V, R]`, without centring: `[R, size]`, zeros where R is smaller."""
    directions = paddle.linalg.eigh(paddle.matmul(vectors, vectors, transpose_x=True))[1].flip(1)[:, :size]  # rising
    return nn.functional.pad(directions, [0, 0, 0, size - directions.shape[1]])


def in_own(vectors, owner, bases):
    """Each of the vectors `[V, R]` in the basis of its own subspace: owners `[V]`, bases `[R, size]`; `[V, size]`."""
    belongs = nn.functional.one_hot(owner, len(bases))  # [V, K]
    return sum(belongs[:, k : k + 1] * paddle.matmul(vectors, basis) for k, basis in enumerate(bases))
