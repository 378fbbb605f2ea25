"""Subspaces that vectors lie near, one for each interest."""

import paddle
from paddle import nn

from models.base.fit_libraries import in_threads
from models.layers.functional import l2_normalize

SWEEPS = 5  # of the subspace iteration
ROUNDS = 30  # at most, of the items' assignment to subspaces
TRIES, TRIAL = 8, 8  # from different first assignments, and rounds of each; which is best is seen early
SAMPLE = 16384  # vectors that these see
ROWS = 2048  # vectors that are projected at once, so that what is made of them stays in the cache


def find_subspaces(vectors, number, size):
    """The partition of vectors `[V, R]` into so many, each near a subspace: owners `[V]` and bases `[R, size]`.

    In turn, a subspace is made of the largest principal directions of its vectors, and a vector joins the subspace
    that keeps most of it. Where that ends depends on where it began, so it is tried several times, for some rounds and
    with a sample of the vectors; the best goes on with all.
    """
    if number > 1:
        some = _sample(vectors)
        starts = [_random_start(some, number, size) for _ in range(TRIES)]
        tries = in_threads(lambda start: _descend(some, _first_bases(some, *start), TRIAL), starts)
        owner = _descend(vectors, max(tries, key=lambda one: one[0])[2], ROUNDS)[1]
    else:
        owner = paddle.zeros([len(vectors)], "int64")
    return owner, in_threads(lambda k: principal(_owned(vectors, owner, k), size), range(number))


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


def _random_start(vectors, number, size):
    """What a try begins with: places of so many vectors `[K]`, and directions, `[R, size]` each."""
    chosen = paddle.randperm(len(vectors))[:number]
    return chosen, [paddle.randn([vectors.shape[1], min(size, vectors.shape[1])]) for _ in range(number)]


def _by_direction(vectors, chosen):
    """The partition that spherical k-means gives: `[V]`. It begins with those of the vectors that are chosen, `[K]`."""
    unit = l2_normalize(vectors)
    centre = unit[chosen]  # [K, R]
    for _ in range(ROUNDS):
        owner = paddle.matmul(unit, centre, transpose_y=True).argmax(axis=1)
        centre = l2_normalize(paddle.matmul(nn.functional.one_hot(owner, len(chosen)), unit, transpose_x=True))
    return owner


def _first_bases(vectors, chosen, directions):
    """Bases of the partition that spherical k-means gives, sought from `_random_start`: `[R, size]` each."""
    owner = _by_direction(vectors, chosen)
    return [_nearer(_square(_owned(vectors, owner, k)), basis, SWEEPS) for k, basis in enumerate(directions)]


def _descend(vectors, bases, rounds):
    """How much of all vectors is kept, owners `[V]` and bases, from first bases; so many rounds, or fewer."""
    number, bases = len(bases), list(bases)
    owner, squares = paddle.full([len(vectors)], number, "int64"), [0.0] * number  # nobody's yet
    for _ in range(rounds):
        kept = paddle.concat([_kept(vectors[at : at + ROWS], bases) for at in range(0, len(vectors), ROWS)])  # [V, K]
        before, owner = owner, kept.argmax(axis=1)
        moved = (before != owner).nonzero().flatten()
        if len(moved) * 1000 <= len(owner):  # the last few hardly matter
            break
        # A few of a hundred move in a round, so that what the others make of the squares is not made again.
        some, came, went = (paddle.gather(one, moved) for one in (vectors, owner, before))
        for k in range(number):
            squares[k] = squares[k] + _square(_owned(some, came, k)) - _square(_owned(some, went, k))
            bases[k] = _nearer(squares[k], bases[k], 1)
    return float(kept.max(axis=1).sum()), owner, bases


def _kept(vectors, bases):
    """How much of each of the vectors `[V, R]` each subspace keeps, as a square: `[V, K]`."""
    ours = paddle.matmul(vectors, paddle.concat(bases, axis=1)).reshape([len(vectors), len(bases), -1])
    return ours.square().sum(axis=2)


def _square(vectors):
    """`VᵀV` of vectors `[V, R]`."""
    return paddle.matmul(vectors, vectors, transpose_x=True)


def _nearer(square, basis, sweeps):
    """A basis `[R, size]` closer to the largest eigenvectors of `[R, R]`, by subspace iteration."""
    for _ in range(sweeps):  # Paddle's eigh of a few hundred directions costs ten times as much
        basis = paddle.linalg.qr(paddle.matmul(square, basis))[0]
    return basis


def principal(vectors, size):
    """The largest principal directions of vectors `[V, R]`, without centring: `[R, size]`, zeros where R is smaller."""
    directions = paddle.linalg.eigh(_square(vectors))[1].flip(1)[:, :size]  # rising
    return nn.functional.pad(directions, [0, 0, 0, size - directions.shape[1]])


def in_own(vectors, owner, bases):
    """Each of the vectors `[V, R]` in the basis of its own subspace: owners `[V]`, bases `[R, size]`; `[V, size]`."""
    belongs = nn.functional.one_hot(owner, len(bases))  # [V, K]
    return sum(belongs[:, k : k + 1] * paddle.matmul(vectors, basis) for k, basis in enumerate(bases))
