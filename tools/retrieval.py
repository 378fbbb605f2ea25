"""From interests to recommended lists: exact inner-product search with Faiss, then one list a user."""

import logging
from typing import Any, NamedTuple

import numpy as np

from tools.errors import UserError
from tools.ragged import Ragged

logging.getLogger("faiss").setLevel(logging.WARNING)  # it reports how it was loaded
import faiss  # noqa: E402


class Recommendations(NamedTuple):
    """Lists of N, best first; id 0, score -inf where a list ends early."""

    items: np.ndarray  # [U, N] int64
    scores: np.ndarray  # [U, N] float32: largest among the interests that retrieved the item
    interest: np.ndarray  # [U, N] int64: which interest that was


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
        index: Faiss index of items 1, 2, …: padding is not in it; or a `ScoreIndex`.
    """

    def __init__(self, *, index: Any):
        self.index = index

    @classmethod
    def exact(cls, item_vectors) -> "Retriever":
        """Exact search among item vectors `[item_count, D]`, whose row 0 is padding."""
        vectors = np.ascontiguousarray(item_vectors[1:], np.float32)
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        return cls(index=index)

    @classmethod
    def of_scores(cls, item_num) -> "Retriever":
        """Search where each interest `[item_num]` holds the scores of items 1, 2, … itself."""
        return cls(index=ScoreIndex(ntotal=item_num))

    @classmethod
    def load(cls, path) -> "Retriever":
        """The retriever of a file that `save` wrote; vectors stay in the file, mapped to memory, where Faiss can.

        Raises:
            UserError: where Faiss cannot read it.
        """
        try:
            return cls(index=faiss.read_index(str(path), getattr(faiss, "IO_FLAG_MMAP_IFC", 0)))  # from Faiss 1.11 on
        except RuntimeError as error:
            reason = str(error).partition("Error: ")[2] or error
            raise UserError(f"{path}: not readable as a Faiss index ({reason}); export it again") from None

    def save(self, path):
        """Write the index."""
        faiss.write_index(self.index, str(path))

    def search(self, interests, live, depth) -> tuple[np.ndarray, np.ndarray]:
        """The best `depth` items of each live interest.

        Args:
            interests: `[U, K, D]`.
            live: `[U, K]` bool; the others are not searched.
            depth: candidates an interest.

        Returns:
            `(items, scores)`, `[U, K, depth]`, best first; id 0 with score -inf where there is none.
        """
        items = np.zeros((*live.shape, depth), np.int64)
        scores = np.full(items.shape, -np.inf, np.float32)
        scores[live], found = self.index.search(np.ascontiguousarray(interests[live], np.float32), depth)
        items[live] = found + 1  # the index starts at item 1; Faiss says -1 for none
        scores[items == 0] = -np.inf
        return items, scores

    def recommend(self, interests, live, top_n, *, seen: Ragged | None = None, maxlen=0) -> Recommendations:
        """One list of `top_n` a user: `f(u, i) = max_k v_k · e_i`.

        Args:
            interests, live: `[U, K, D]`, `[U, K]`.
            top_n: N.
            seen: items that are left out, a row a user; each interest is then searched `maxlen` deeper, and a user
                whose list ends early all the same, having seen more, once again as deep as needed.
            maxlen: T.
        """
        if seen is None:
            return merge(*self.search(interests, live, top_n), top_n)
        lists = merge(*self.search(interests, live, top_n + maxlen), top_n, seen)
        short = np.flatnonzero((lists.items[:, -1] == 0) & (seen.lengths > maxlen))
        if len(short):
            rest = seen.take(short)
            deeper = merge(*self.search(interests[short], live[short], top_n + int(rest.lengths.max())), top_n, rest)
            for whole, part in zip(lists, deeper, strict=True):
                whole[short] = part
        return lists


def merge(items, scores, top_n, seen: Ragged | None = None) -> Recommendations:
    """K candidate lists of a user to one: duplicates, padding and seen items gone, best score first.

    A candidate's score is its largest among the interests that retrieved it; ties go to the lower interest, then to
    the better rank in its list.

    Args:
        items, scores: `[U, K, depth]`.
        top_n: N.
        seen: items to leave out, a row a user.
    """
    users, interest_num, depth = items.shape
    order = np.argsort(-scores.reshape(users, -1), axis=1, kind="stable")  # [U, K·depth]
    items = np.take_along_axis(items.reshape(users, -1), order, axis=1)
    scores = np.take_along_axis(scores.reshape(users, -1), order, axis=1)
    usable = _first_in_row(items) & (items > 0)
    if seen is not None:
        usable &= ~seen.contains(items)
    best = np.argsort(~usable, axis=1, kind="stable")[:, :top_n]  # usable ones first, in their order
    taken = np.take_along_axis(usable, best, axis=1)
    short = ((0, 0), (0, max(top_n - interest_num * depth, 0)))
    return Recommendations(
        np.pad(np.where(taken, np.take_along_axis(items, best, axis=1), 0), short),
        np.pad(np.where(taken, np.take_along_axis(scores, best, axis=1), -np.inf), short, constant_values=-np.inf),
        np.pad(np.take_along_axis(order, best, axis=1) // depth, short),
    )


def _first_in_row(items):
    """Whether each id stands for the first time in its row: `[U, C]` to bool `[U, C]`."""
    order = np.argsort(items, axis=1, kind="stable")
    ordered = np.take_along_axis(items, order, axis=1)
    first = np.ones(items.shape, bool)
    np.put_along_axis(first, order[:, 1:], ordered[:, 1:] != ordered[:, :-1], axis=1)
    return first
