"""Subspaces that vectors lie near, one for each interest."""

import paddle
from paddle import nn

from models.layers.functional import l2_normalize

SWEEPS = 5  # of the subspace iteration
ROUNDS = 30  # at most, of the items' assignment to subspaces
TRIES = 8  # from different first assignments


def find_subspaces(vectors, number, size):
    """The partition of vectors `[V, R]` into so many, each near a subspace: owners `[V]` and bases `[R, size]`.

    In turn, a subspace is made of the largest principal directions of its vectors, and a vector joins the subspace
    that keeps most of it. Where that ends depends on where it began, so it is done several times; the best is taken.
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


def in_own(vectors, owner, bases):
    """Each of the vectors `[V, R]` in the basis of its own subspace: owners `[V]`, bases `[R, size]`; `[V, size]`."""
    belongs = nn.functional.one_hot(owner, len(bases))  # [V, K]
    return sum(belongs[:, k : k + 1] * paddle.matmul(vectors, basis) for k, basis in enumerate(bases))
