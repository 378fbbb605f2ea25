"""From interests to recommended lists: inner-product search, exact or of another index, then one list a user."""

from functools import cached_property, partial
from typing import Any

import numpy as np

from tools.common.ragged import Ragged
from tools.retrieval.aggregate import PLAIN, Diversity, Recommendations, aggregate
from tools.retrieval.exact import exact, faiss, search
from tools.retrieval.selected import search_among, search_selected
from tools.retrieval.selection import Selection


class ScoreIndex:
    """Faiss's interface for a model whose interests are the scores of all items already.

    Args:
        ntotal: number of items.
    """

    def __init__(self, *, ntotal):
        self.ntotal = ntotal

    def search(self, scores, depth, selection: Selection | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The best items of each row, as Faiss gives them.

        Args:
            scores: `[n, ntotal]`; only positive ones are found.
            depth: how many.
            selection: the items that may be found; None: all.

        Returns:
            `(scores, items)`, `[n, depth]`, best first, ties to the lower id; item -1, score -inf where there is none.
        """
        kept = min(depth, self.ntotal)
        if selection is not None:
            scores = np.where(selection.allowed[1:], scores, 0)
        last = -np.partition(-scores, kept - 1, axis=1)[:, kept - 1 : kept]  # [n, 1]
        above, equal = scores > last, scores == last
        chosen = above | equal & (np.cumsum(equal, axis=1) <= kept - above.sum(axis=1, keepdims=True))
        items = np.nonzero(chosen)[1].reshape(-1, kept)
        found = np.take_along_axis(scores, items, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        items, found = (np.take_along_axis(one, order, axis=1) for one in (items, found))
        padding = ((0, 0), (0, depth - kept))
        items = np.pad(np.where(found > 0, items, -1), padding, constant_values=-1)
        return np.pad(np.where(found > 0, found, -np.inf), padding, constant_values=-np.inf), items


class Retriever:
    """Finds the best items of each interest by inner product.

    Args:
        index: of `tools.retrieval.index`, of items 1, 2, …: padding is not in it; or a `ScoreIndex`.
        vectors: `[item_count, D]`, what the index was made of, or a function that gives them once they are needed. With
            them a list is as long as the catalogue allows, also where an approximate index finds fewer; filters of an
            approximate index need them.
    """

    def __init__(self, *, index: Any, vectors=None):
        self.index, self.vectors = index, vectors

    @cached_property
    def _table(self):
        return self.vectors() if callable(self.vectors) else self.vectors

    @classmethod
    def exact(cls, item_vectors) -> "Retriever":
        """Exact search among item vectors `[item_count, D]`, whose row 0 is padding."""
        return cls(index=exact(item_vectors), vectors=item_vectors)

    @classmethod
    def of_scores(cls, item_num) -> "Retriever":
        """Search where each interest `[item_num]` holds the scores of items 1, 2, … itself."""
        return cls(index=ScoreIndex(ntotal=item_num))

    def search(self, interests, live, depth, selection: Selection | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The best `depth` items of each live interest.

        Args:
            interests: `[U, K, D]`.
            live: `[U, K]` bool; the others are not searched.
            depth: candidates an interest, cut at the number of items.
            selection: the items that may be found; None: all.

        Returns:
            `(items, scores)`, `[U, K, depth]`, best first; id 0 with score -inf where there is none.
        """
        return self._each(interests, live, depth, lambda queries, depth: self._find(queries, depth, selection))

    def search_all(self, interests, live, depth, selection: Selection | None = None) -> tuple[np.ndarray, np.ndarray]:
        """As `search`, each item compared, whatever the index is."""
        items = np.arange(1, self.index.ntotal + 1) if selection is None else selection.items
        return self._each(
            interests, live, depth, lambda queries, depth: search_among(self._table, items, queries, depth)
        )

    def _each(self, interests, live, depth, find):
        depth = min(depth, self.index.ntotal)
        items = np.zeros((*live.shape, depth), np.int64)
        scores = np.full(items.shape, -np.inf, np.float32)
        scores[live], found = find(np.ascontiguousarray(interests[live], np.float32), depth)
        items[live] = found + 1  # the index starts at item 1; Faiss says -1 for none
        scores[items == 0] = -np.inf
        return items, scores

    def _find(self, queries, depth, selection):
        if selection is None:
            return search(self.index, queries, depth)
        if isinstance(self.index, faiss.Index):
            return search_selected(self.index, self._table, queries, depth, selection)
        return search(self.index, queries, depth, selection=selection)

    def recommend(
        self, interests, live, top_n, *, seen: Ragged | None = None, maxlen=0, selection: Selection | None = None
    ) -> Recommendations:
        """The plain list of `recommend_each`."""
        return self.recommend_each(interests, live, top_n, PLAIN, seen=seen, maxlen=maxlen, selection=selection)[0]

    def recommend_each(
        self, interests, live, top_n, diversity: Diversity, *, seen: Ragged | None = None, maxlen=0,
        selection: Selection | None = None,
    ) -> list[Recommendations]:  # fmt: skip
        """For each lambda one list of `top_n` a user, all from one search.

        A list that ends early is made again from a deeper search and, where that doesn't fill it, with each item
        compared.

        Args:
            interests, live: `[U, K, D]`, `[U, K]`.
            top_n: N.
            diversity: the lambdas.
            seen: items that are left out, a row a user; each interest is then searched `maxlen` deeper, and a user
                whose list ends early all the same, having seen more, once again as deep as needed.
            maxlen: T.
            selection: the items that the lists may hold; None: all.
        """
        depth = top_n if seen is None else top_n + maxlen
        each = aggregate(*self.search(interests, live, depth, selection), top_n, diversity, seen)
        unfilled = np.flatnonzero((each[0].items[:, -1] == 0) & live.any(axis=1))
        again = partial(self._again, each, interests, live, top_n, diversity, seen, selection)
        if seen is not None:
            again(self.search, unfilled[seen.lengths[unfilled] > maxlen])
        if self.vectors is not None:
            again(self.search_all, self._short(each[0], unfilled, seen, selection))
        return each

    def _again(self, each, interests, live, top_n, diversity, seen, selection, find, rows):
        """Put lists from another search in the place of those of some rows."""
        if not len(rows):
            return
        rest = None if seen is None else seen.take(rows)
        depth = top_n + (0 if rest is None else int(rest.lengths.max()))
        items, scores = find(interests[rows], live[rows], depth, selection)
        for lists, deeper in zip(each, aggregate(items, scores, top_n, diversity, rest), strict=True):
            for whole, part in zip(lists, deeper, strict=True):
                whole[rows] = part

    def _short(self, lists, rows, seen, selection):
        """Those of some rows whose lists end before the items do that they may hold."""
        if not len(rows):
            return rows
        most = np.full(len(rows), self.index.ntotal if selection is None else len(selection.items))
        if seen is not None:
            apart = seen.take(rows).distinct()
            counted = apart.values > 0 if selection is None else selection.allowed[apart.values]
            most -= np.bincount(apart.rows[counted], minlength=len(rows))
        return rows[(lists.items[rows] > 0).sum(axis=1) < np.minimum(most, lists.items.shape[1])]
