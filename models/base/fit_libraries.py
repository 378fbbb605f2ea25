"""The libraries that `fit` of some models needs, and the matrix they work on."""

from concurrent.futures import ThreadPoolExecutor

import paddle

THREADS = 2  # of a fit's sparse products, each of which SciPy gives to one


def in_threads(function, parts):
    """What a function gives of each part, as a list; SciPy's products run side by side."""
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(function, parts))


def libraries(model):
    """The modules `implicit.als`, `scipy.sparse` and `threadpoolctl`.

    Args:
        model: who asks, for the message.

    Raises:
        ImportError: where they are missing, with what installs them.
    """
    try:
        import implicit.als
        import scipy.sparse
        import threadpoolctl
    except ImportError:
        raise ImportError(f"{model} needs an extra; install it with: pip install '.[baselines]'") from None
    return implicit.als, scipy.sparse, threadpoolctl


def inverse(matrix):
    """The inverse of a symmetric, positive definite array `[V, V]` of float32, which is overwritten.

    Raises:
        ArithmeticError: where it is not positive definite.
    """
    from scipy.linalg import lapack

    factor, fault = lapack.spotrf(matrix.T, lower=True, clean=True, overwrite_a=True)
    if not fault:
        factor, fault = lapack.spotri(factor, lower=True, overwrite_c=True)
    if fault:
        raise ArithmeticError("the matrix to invert is not positive definite; give a larger weight of squares")
    diagonal = factor.diagonal().copy()
    factor += factor.T  # only one half was filled
    factor[range(len(diagonal)), range(len(diagonal))] = diagonal
    return factor


def taken_once(model, items, item_count):
    """What users took, each item once: a CSR matrix `[U, item_count]` of ones, and `scipy.sparse`.

    Args:
        model: who asks; see `libraries` for what is raised.
        items: the training users' items.
        item_count: number of columns.
    """
    _, sparse, _ = libraries(model)
    taken = user_items(sparse, items.values, items.offsets, item_count, 1.0)
    taken.sum_duplicates()
    taken.data[:] = 1.0
    return taken, sparse


def user_items(sparse, values, offsets, item_count, entry):
    """A row a user with the same entry at each of the user's items: a CSR matrix `[U, item_count]`.

    Args:
        sparse: `scipy.sparse`.
        values, offsets: the users' items, one user after the other, `[E]` and `[U + 1]`; copied, since the arrays of a
            split are read-only and the libraries sort in place.
        item_count: number of columns.
        entry: the number.
    """
    entries = paddle.full([len(values)], float(entry)).numpy()
    return sparse.csr_matrix((entries, values, offsets), shape=(len(offsets) - 1, item_count), copy=True)
