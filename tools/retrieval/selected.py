"""Search of a Faiss index among some of its items only: by the index where it finds them all, else exhaustively."""

import math
from typing import Any

import numpy as np

from tools.common.ragged import pieces
from tools.retrieval.exact import faiss as installed
from tools.retrieval.exact import search, spread
from tools.retrieval.selection import Selection

faiss: Any = installed  # whose own types lack the search parameters
# Up to so many items, or this share of all, each is compared: a graph or lists would have to be searched nearly whole.
EXHAUSTIVE, SHARE = 65_536, 1 / 20
BLOCK = 65_536  # item vectors that are gathered at once


def search_selected(index, vectors, queries, depth, selection: Selection) -> tuple[np.ndarray, np.ndarray]:
    """`(scores, items)`, `[n, depth]`, as `index.search` gives them, of the selected items only.

    Args:
        index: of Faiss.
        vectors: `[item_count, D]`, what the index was made of; None for one that knows selectors.
        queries: `[n, D]`.
        depth: how many.
        selection: the items; from 5 % of them on an approximate index is searched, deeper by what it must pass over.
    """
    share = len(selection.items) / index.ntotal
    few = len(selection.items) <= max(EXHAUSTIVE, SHARE * index.ntotal) or isinstance(index, faiss.IndexFlat)
    if few and vectors is not None:
        return search_among(vectors, selection.items, queries, depth)
    try:
        scores, items = search(index, queries, depth, params=_parameters(index, selection.selector, share))
    except RuntimeError:  # an index that knows no selector
        return search_among(vectors, selection.items, queries, depth)
    wrong = ~selection.allowed[items + 1]
    scores[wrong], items[wrong] = -np.inf, -1
    return scores, items


def search_among(vectors, items, queries, depth) -> tuple[np.ndarray, np.ndarray]:
    """The best of some items, each compared: `(scores, items)` `[n, depth]`, item -1, score -inf where there is none.

    Args:
        vectors: `[item_count, D]`.
        items: ids, of which the result is one less, as Faiss counts.
        queries: `[n, D]`.
        depth: how many.
    """
    best = np.full((len(queries), depth), -np.inf, np.float32)
    found = np.full(best.shape, -1, np.int64)
    for part in pieces(len(items), BLOCK) if len(items) else ():
        block = np.ascontiguousarray(vectors[items[part]], np.float32)
        scores, places = spread(lambda some, block=block: _best(some, block, depth), queries)
        scores, rows = np.concatenate([best, scores], axis=1), np.concatenate([found, items[part][places] - 1], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        best, found = np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)
    return best, found


def _best(queries, block, depth):
    return faiss.knn(queries, block, min(depth, len(block)), metric=faiss.METRIC_INNER_PRODUCT)


def _parameters(index, selector, share):
    """How an index is searched for a share of its items: as it is set up, with more lists or a longer queue."""
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexPreTransform):
        return faiss.SearchParametersPreTransform(index_params=_parameters(index.index, selector, share))
    if isinstance(index, faiss.IndexRefine):
        within = _parameters(index.base_index, selector, share)
        return faiss.IndexRefineSearchParameters(k_factor=index.k_factor, base_index_params=within)
    if isinstance(index, faiss.IndexIVF):
        probes = min(index.nlist, math.ceil(index.nprobe / share))
        return faiss.SearchParametersIVF(sel=selector, nprobe=probes, max_codes=index.max_codes)
    if isinstance(index, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(sel=selector, efSearch=math.ceil(index.hnsw.efSearch / share))
    return faiss.SearchParameters(sel=selector)
