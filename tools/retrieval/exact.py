"""Exact search with Faiss, and how Faiss is set up: every module that uses it takes it from here."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from tools.common import blas

blas.prepare()
logging.getLogger("faiss").setLevel(logging.WARNING)  # it reports how it was loaded
import faiss  # noqa: E402

# Exact search. From 1.15 on Faiss multiplies matrices from n·D = 128,000 on only and takes query by query below, which
# is 4 times slower for 1,000 interests of 64; the two meet near n·D = 1,024, so a single user's are still taken singly.
# A reservoir, not a heap, for lists from 20 on: it leaves the search within 1.3 times the bare product.
faiss.cvar.distance_compute_blas_threshold = min(faiss.cvar.distance_compute_blas_threshold, 1024)
faiss.cvar.distance_compute_min_k_reservoir = 20
# Faiss's own threads are OpenMP's, and Paddle's import sets OMP_NUM_THREADS to 1; also, two halves searched with one
# thread each are done before the whole with two.
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
POOL = ThreadPoolExecutor(THREADS, initializer=faiss.omp_set_num_threads, initargs=(1,))
TURNS, FEWEST = 4, 4  # parts of a search that a thread takes, where each has so many queries


def exact(item_vectors):
    """The index that compares with every item, of vectors `[item_count, D]`, whose row 0 is padding."""
    vectors = np.ascontiguousarray(item_vectors[1:], np.float32)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


def search(index, queries, depth, **options) -> tuple[np.ndarray, np.ndarray]:
    """`(scores, items)`, `[n, depth]`, as `index.search` gives them for queries `[n, D]`, found by several threads.

    Args:
        index: the index.
        queries: `[n, D]`.
        depth: how many.
        options: what its `search` takes besides.
    """
    # Of a graph only: products, also those that choose inverted lists, are the quicker the more queries they have.
    turns = TURNS if isinstance(index, faiss.IndexHNSW) else 1
    return spread(lambda part: index.search(part, depth, **options), queries, turns)


def spread(find, queries, turns=1) -> tuple[np.ndarray, np.ndarray]:
    """What `find` gives for queries `[n, D]`, two arrays, made by several threads, of which this one is the first.

    Args:
        find: gives them for some of the queries.
        queries: the queries.
        turns: parts that a thread takes, one after the other. On a busy machine one may be held up, and with several
            the others wait for a part only.
    """
    most = -(-len(queries) // THREADS)  # of a part
    size = max(1, min(most, max(FEWEST, most // turns)))
    parts = [queries[start : start + size] for start in range(0, len(queries), size)] or [queries]
    found: list[Any] = [None] * len(parts)
    rest = iter(range(len(parts)))  # of which a thread takes the next one: a single step in Python

    def work():
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)  # of OpenMP's, beside ours
        try:
            for place in rest:
                found[place] = find(parts[place])
        finally:
            faiss.omp_set_num_threads(threads)

    begun = [POOL.submit(work) for _ in range(min(THREADS, len(parts)) - 1)]
    try:
        work()
    finally:
        for one in begun:
            if not one.cancel():  # what has not begun has nothing left to do
                one.result()
    scores, items = zip(*found, strict=True)
    return np.concatenate(scores), np.concatenate(items)
