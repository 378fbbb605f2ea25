"""Exact search with Faiss, and how Faiss is set up: every module that uses it takes it from here."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor

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
    return spread(lambda part: index.search(part, depth, **options), queries)


def spread(find, queries) -> tuple[np.ndarray, np.ndarray]:
    """What `find` gives for queries `[n, D]`, two arrays, made by several threads, of which this one is the first."""
    first, *others = np.array_split(queries, max(1, min(THREADS, len(queries))))
    begun = [(POOL.submit(find, part), part) for part in others]
    found = [_alone(find, first)]
    # A part that no thread has begun until now is found here: on a busy machine waiting takes longer than the search.
    found += [_alone(find, part) if future.cancel() else future.result() for future, part in begun]
    scores, items = zip(*found, strict=True)
    return np.concatenate(scores), np.concatenate(items)


def _alone(find, part):
    """What `find` gives, without threads of OpenMP's beside this one."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        return find(part)
    finally:
        faiss.omp_set_num_threads(threads)
