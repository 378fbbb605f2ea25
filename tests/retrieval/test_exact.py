"""Exact search spread over threads."""

import threading

import numpy as np

from tools.retrieval.exact import POOL, THREADS, exact, faiss, search


def test_a_search_does_not_wait_for_threads_that_others_keep():
    vectors = np.random.default_rng(0).normal(size=(300, 8)).astype("float32")
    index, queries = exact(vectors), vectors[5:40]
    scores, items = index.search(queries, 7)
    threads, released = faiss.omp_get_max_threads(), threading.Event()
    kept = [POOL.submit(released.wait, 20) for _ in range(THREADS)]
    try:
        found = search(index, queries, 7)
        assert not any(one.done() for one in kept)
    finally:
        released.set()
    assert faiss.omp_get_max_threads() == threads
    for spread in (found, search(index, queries, 7)):
        np.testing.assert_allclose(spread[0], scores, rtol=1e-5)
        np.testing.assert_array_equal(spread[1], items)
