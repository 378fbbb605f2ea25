"""From the candidates of a user's interests to one list: the best by score, or a choice that pays for variety."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tools.common.errors import UserError
from tools.common.ragged import Ragged, earlier_in_row
from tools.data.dataset import read_categories


class Recommendations(NamedTuple):
    """Lists of N in the order they were chosen; id 0, score -inf where a list ends early."""

    items: np.ndarray  # [U, N] int64
    scores: np.ndarray  # [U, N] float32: largest among the interests that retrieved the item
    interest: np.ndarray  # [U, N] int64: which interest that was


def empty_lists(users, top_n) -> Recommendations:
    """Lists of `top_n` without an item."""
    shape = (users, top_n)
    return Recommendations(np.zeros(shape, np.int64), np.full(shape, -np.inf, np.float32), np.zeros(shape, np.int64))


class Diversity(NamedTuple):
    """Which lists to make of one search."""

    lambdas: tuple[float, ...]  # a list for each; 0 is the plain one, best score first
    category: np.ndarray | None  # [item_count], -1 for none; only 0 does without

    @classmethod
    def open(cls, folder, lambdas, item_count) -> "Diversity":
        """With the categories in a data set's folder, where it has them.

        Raises:
            UserError: where it has none and a lambda asks for them.
        """
        category = read_categories(folder, item_count)
        if category is None and any(lambdas):
            raise UserError(
                f"runner.diversity_lambda: {max(lambdas)} needs the categories of items, and there is no "
                f"{Path(folder) / 'item_category.npy'}; run tools.preprocess with --category, or remove the key"
            )
        return cls(tuple(lambdas), category)


PLAIN = Diversity((0.0,), None)


def aggregate(items, scores, top_n, diversity: Diversity, seen: Ragged | None = None) -> list[Recommendations]:
    """K candidate lists of each user to one list for each lambda.

    Args:
        items, scores: `[U, K, depth]`, id 0 where there is none.
        top_n: N.
        diversity: the lambdas.
        seen: items to leave out, a row a user.
    """
    whole = items.shape[1] * items.shape[2] if any(diversity.lambdas) else 0  # the plain list begins as the whole pool
    pool = merge(items, scores, max(top_n, whole), seen)
    return [diversify(pool, top_n, weight, diversity.category) for weight in diversity.lambdas]


def merge(items, scores, top_n, seen: Ragged | None = None) -> Recommendations:
    """K candidate lists of a user to one: duplicates, padding and seen items gone, best score first.

    A candidate's score is its largest among the interests that retrieved it; ties go to the lower interest, then to
    the better rank in its list.

    Args:
        items, scores: `[U, K, depth]`.
        top_n: N.
        seen: items to leave out, a row a user.
    """
    users, _, depth = items.shape
    order = np.argsort(-scores.reshape(users, -1), axis=1, kind="stable")  # [U, K·depth]
    items = np.take_along_axis(items.reshape(users, -1), order, axis=1)
    scores = np.take_along_axis(scores.reshape(users, -1), order, axis=1)
    usable = (earlier_in_row(items) == 0) & (items > 0)
    if seen is not None:
        usable &= ~seen.contains(items)
    best = np.argsort(~usable, axis=1, kind="stable")[:, :top_n]  # usable ones first, in their order
    taken = np.take_along_axis(usable, best, axis=1)
    lists = empty_lists(users, top_n)
    found = slice(best.shape[1])  # fewer than N where there are fewer candidates
    lists.items[:, found] = np.where(taken, np.take_along_axis(items, best, axis=1), 0)
    lists.scores[:, found] = np.where(taken, np.take_along_axis(scores, best, axis=1), -np.inf)
    lists.interest[:, found] = np.take_along_axis(order, best, axis=1) // depth
    return lists


def diversify(pool: Recommendations, top_n, weight, category) -> Recommendations:
    """The `top_n` of a pool that maximise, chosen greedily, score plus variety (ComiRec, section 3.3):

    `Q(u, S) = sum_{i in S} f(u, i) + lambda · sum over unordered pairs {i, j} of S of [CATE(i) ≠ CATE(j)]`.

    Each step takes the largest `f(u, i) - lambda · (number already chosen of i's category)`; ties go to the larger f,
    then to the smaller rank in the pool. An item without category is its own.

    Args:
        pool: candidates, best score first, as `merge` gives them.
        top_n: N.
        weight: lambda, at least 0, in the unit of the scores; 0 leaves the pool's own order.
        category: of each item, `[item_count]`, -1 for none; not read where lambda is 0.
    """
    if not weight:
        return Recommendations(*(one[:, :top_n] for one in pool))
    # Of one category the better score is always chosen first, so a candidate's penalty is known beforehand: lambda
    # times the number of better candidates of its category. Gains then fall within a category, and to choose greedily
    # from the heads of falling lists is to merge them: one sort.
    of_pool = category[pool.items]  # [U, C]
    better = np.where(of_pool < 0, 0, earlier_in_row(of_pool))
    gain = pool.scores - weight * better  # float64: equal sums stay equal
    order = np.argsort(-gain, axis=1, kind="stable")[:, :top_n]
    return Recommendations(*(np.take_along_axis(one, order, axis=1) for one in pool))
