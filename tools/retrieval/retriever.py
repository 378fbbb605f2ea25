"""From interests to recommended lists: inner-product search, exact or of another index, then one list a user."""

from typing import Any

import numpy as np

from tools.common.ragged import Ragged
from tools.retrieval.aggregate import PLAIN, Diversity, Recommendations, aggregate
from tools.retrieval.exact import exact, search


class ScoreIndex:
    """Faiss's interface for a model whose interests are the scores of all items already.

    Args:
        ntotal: number of items.
    """

    def __init__(self, *, ntotal):
        self.ntotal = ntotal

    def search(self, scores, depth) -> tuple[np.ndarray, np.ndarray]:
        """The best items of each row, as Faiss gives them.

        Args:
            scores: `[n, ntotal]`; only positive ones are found.
            depth: how many.

        Returns:
            `(scores, items)`, `[n, depth]`, best first, ties to the lower id; item -1, score -inf where there is none.
        """
        kept = min(depth, self.ntotal)
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
    """

    def __init__(self, *, index: Any):
        self.index = index

    @classmethod
    def exact(cls, item_vectors) -> "Retriever":
        """Exact search among item vectors `[item_count, D]`, whose row 0 is padding."""
        return cls(index=exact(item_vectors))

    @classmethod
    def of_scores(cls, item_num) -> "Retriever":
        """Search where each interest `[item_num]` holds the scores of items 1, 2, … itself."""
        return cls(index=ScoreIndex(ntotal=item_num))

    def search(self, interests, live, depth) -> tuple[np.ndarray, np.ndarray]:
        """The best `depth` items of each live interest.

        Args:
            interests: `[U, K, D]`.
            live: `[U, K]` bool; the others are not searched.
            depth: candidates an interest, cut at the number of items.

        Returns:
            `(items, scores)`, `[U, K, depth]`, best first; id 0 with score -inf where there is none.
        """
        depth = min(depth, self.index.ntotal)
        items = np.zeros((*live.shape, depth), np.int64)
        scores = np.full(items.shape, -np.inf, np.float32)
        scores[live], found = search(self.index, np.ascontiguousarray(interests[live], np.float32), depth)
        items[live] = found + 1  # the index starts at item 1; Faiss says -1 for none
        scores[items == 0] = -np.inf
        return items, scores

    def recommend(self, interests, live, top_n, *, seen: Ragged | None = None, maxlen=0) -> Recommendations:
        """The plain list of `recommend_each`."""
        return self.recommend_each(interests, live, top_n, PLAIN, seen=seen, maxlen=maxlen)[0]

    def recommend_each(
        self, interests, live, top_n, diversity: Diversity, *, seen: Ragged | None = None, maxlen=0
    ) -> list[Recommendations]:
        """For each lambda one list of `top_n` a user, all from one search.

        Args:
            interests, live: `[U, K, D]`, `[U, K]`.
            top_n: N.
            diversity: the lambdas.
            seen: items that are left out, a row a user; each interest is then searched `maxlen` deeper, and a user
                whose list ends early all the same, having seen more, once again as deep as needed.
            maxlen: T.
        """
        if seen is None:
            return aggregate(*self.search(interests, live, top_n), top_n, diversity)
        each = aggregate(*self.search(interests, live, top_n + maxlen), top_n, diversity, seen)
        short = np.flatnonzero((each[0].items[:, -1] == 0) & (seen.lengths > maxlen))
        if len(short):
            rest = seen.take(short)
            found = self.search(interests[short], live[short], top_n + int(rest.lengths.max()))
            for lists, deeper in zip(each, aggregate(*found, top_n, diversity, rest), strict=True):
                for whole, part in zip(lists, deeper, strict=True):
                    whole[short] = part
        return each
