"""Exact search spread over threads."""

import threading

import numpy as np
import pytest

from tools.retrieval.exact import FEWEST, POOL, THREADS, exact, faiss, search, spread


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
    for each in (found, search(index, queries, 7)):
        np.testing.assert_allclose(each[0], scores, rtol=1e-5)
        np.testing.assert_array_equal(each[1], items)


@pytest.mark.parametrize("turns", [1, 3, 1000])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 9, 64, 257])
def test_parts_are_put_together_in_their_order(count, turns):
    queries, seen = np.arange(2 * count, dtype="float32").reshape(count, 2), []

    def find(part):
        seen.append(len(part))
        return part * 2, part.astype(int)

    scores, items = spread(find, queries, turns)
    np.testing.assert_array_equal(scores, queries * 2)
    np.testing.assert_array_equal(items, queries)
    most = -(-count // THREADS)
    assert max(seen) <= max(most, 1)
    assert turns == 1 or max(seen) <= max(FEWEST, most // turns)


@pytest.mark.parametrize("count", [1, 4, 30, 257])
def test_a_graph_finds_in_parts_what_it_finds_at_once(count):
    vectors = np.random.default_rng(0).normal(size=(2000, 8)).astype("float32")
    index = faiss.index_factory(8, "HNSW16", faiss.METRIC_INNER_PRODUCT)
    index.add(vectors)
    for one, other in zip(search(index, vectors[:count], 9), index.search(vectors[:count], 9), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_fails_in_a_part_is_told():
    def find(part):
        if 40 in part:
            raise RuntimeError("forty")
        return part, part

    with pytest.raises(RuntimeError, match="forty"):
        spread(find, np.arange(64).reshape(64, 1), 4)
