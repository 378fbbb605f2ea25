"""The largest singular values of a sparse matrix, and what belongs to them."""

import paddle

from models.base.fit_libraries import THREADS, in_threads

BLOCK = 16  # directions that are multiplied at once
EXTRA = 64  # directions beside those that are kept, at least; else as many again
CACHED, PARTS = 8192, 8  # columns at once, whose rows of a block stay in a core's cache; parts of columns, at most


def truncated_svd(matrix, rank):
    """The largest singular values of a sparse matrix `[V, V]`: U `[V, rank]`, S `[rank]`, Q `[V, rank]`.

    Q is sought among twice as many directions: a few random vectors and what `MᵀM` makes of them, again and again
    (block Lanczos with full orthogonalisation; Golub and Underwood 1977, Musco and Musco 2015). It takes a third of the
    products of a subspace iteration that is as near. Where the matrix is smaller than the rank, the rest is zero.
    """
    size = matrix.shape[1]
    total = min(rank + max(rank, EXTRA), size)
    basis, product = paddle.zeros([total, size]), paddle.zeros([total, matrix.shape[0]])  # a direction a row
    block = paddle.randn([size, min(BLOCK, total)])
    upright, across = list(column_parts(matrix.tocsc())), list(column_parts(matrix.T))
    for at in range(0, total, BLOCK):
        block = orthonormal(block[:, : total - at], basis[: max(at, 1)])
        image = times(upright, block)
        basis[at : at + BLOCK], product[at : at + BLOCK] = block.t(), image.t()
        if at + BLOCK < total:
            block = times(across, image)
            # Where all is found already, what is left is rounding, not orthogonal; a little of anything then is.
            block = block + 1e-5 * block.norm() / size**0.5 * paddle.uniform(block.shape)
    square, vectors = paddle.linalg.eigh(paddle.matmul(product, product, transpose_y=True))  # rising
    vectors = vectors.flip(1)[:, :rank]
    strength = paddle.clip(square.flip(0)[:rank], min=1e-12).sqrt()
    left, right = (paddle.matmul(one, vectors, transpose_x=True) for one in (product, basis))
    return left / strength, strength, right


def column_parts(matrix):
    """A CSC matrix in parts of some columns each: where they begin and end, and their rows for each thread, by rows."""
    rows, columns = matrix.shape
    width = max(CACHED, -(-columns // PARTS))
    filled = matrix.getnnz(axis=1).cumsum()  # so that threads have about as many values each
    places = [int(filled.searchsorted(matrix.nnz * part // THREADS)) for part in range(1, THREADS)]
    places = [0, *places, rows]
    for at in range(0, columns, width):
        part = matrix[:, at : at + width].tocsr()
        yield at, at + width, [part[places[n] : places[n + 1]] for n in range(THREADS)]


def times(parts, block):
    """`column_parts` of a sparse matrix `[V, V]` times `[V, b]`: `[V, b]`."""
    block = block.numpy()

    def of(thread):
        return sum(own[thread] @ block[first:end] for first, end, own in parts)

    return paddle.concat([paddle.to_tensor(one) for one in in_threads(of, range(THREADS))])


def orthonormal(block, basis):
    """Columns `[V, b]` made orthonormal, and orthogonal to the rows of `[n, V]`, which are orthonormal or zero."""
    for _ in range(2):  # once leaves what rounding adds
        block = paddle.linalg.qr(block - paddle.matmul(basis, paddle.matmul(basis, block), transpose_x=True))[0]
    return block
