"""The largest singular values of a sparse matrix, and what belongs to them."""

import paddle

from models.base.fit_libraries import THREADS, in_threads

BLOCK = 16  # directions that are multiplied at once
EXTRA = 64  # directions beside those that are kept, at least; else as many again


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
    upright, across = list(row_parts(matrix)), list(row_parts(matrix.T.tocsr()))
    for at in range(0, total, BLOCK):
        block = orthonormal(block[:, : total - at], basis[: max(at, 1)])
        image = times(upright, block)
        basis[at : at + BLOCK], product[at : at + BLOCK] = block.t(), image.t()
        block = times(across, image)
        # Where all is found already, what is left is rounding, not orthogonal; a little of anything then is.
        block = block + 1e-5 * block.norm() / size**0.5 * paddle.randn(block.shape)
    square, vectors = paddle.linalg.eigh(paddle.matmul(product, product, transpose_y=True))  # rising
    vectors = vectors.flip(1)[:, :rank]
    strength = paddle.clip(square.flip(0)[:rank], min=1e-12).sqrt()
    left, right = (paddle.matmul(one, vectors, transpose_x=True) for one in (product, basis))
    return left / strength, strength, right


def row_parts(matrix):
    """The rows of a CSR matrix, in as many parts as there are threads, of about as many values each; not copied."""
    places = [int(matrix.indptr.searchsorted(matrix.nnz * part // THREADS)) for part in range(1, THREADS)]
    for first, end in zip([0, *places], [*places, matrix.shape[0]], strict=True):
        bounds = matrix.indptr[first : end + 1]
        own = slice(bounds[0], bounds[-1])
        shape = (end - first, matrix.shape[1])
        yield type(matrix)((matrix.data[own], matrix.indices[own], bounds - bounds[0]), shape=shape)


def times(parts, block):
    """Parts of a sparse matrix `[V, V]` times `[V, b]`, one a thread: `[V, b]`. No digit depends on the parts."""
    block = block.numpy()
    return paddle.concat([paddle.to_tensor(one) for one in in_threads(lambda part: part @ block, parts)])


def orthonormal(block, basis):
    """Columns `[V, b]` made orthonormal, and orthogonal to the rows of `[n, V]`, which are orthonormal or zero."""
    for _ in range(2):  # once leaves what rounding adds
        block = paddle.linalg.qr(block - paddle.matmul(basis, paddle.matmul(basis, block), transpose_x=True))[0]
    return block
