"""Retrieval metrics: one function each, per user; `Metrics` means the cheap ones over users."""

import numpy as np

from tools.common.ragged import earlier_in_row


def recall(hits, target_num):
    """`|R ∩ G| / |G|` for hits `[U, N]` and target counts `[U]`."""
    return hits.sum(axis=1) / target_num


def hitrate(hits, target_num):
    """`[R ∩ G not empty]`."""
    return hits.any(axis=1).astype(np.float64)


def ndcg(hits, target_num):
    """`sum_{r in hits} 1/log2(r+1) / sum_{r=1..min(|G|,N)} 1/log2(r+1)`, r the rank from 1: the textbook form."""
    discount = _discount(hits.shape[1])
    ideal = np.cumsum(discount)[np.minimum(target_num, hits.shape[1]) - 1]
    return hits @ discount / ideal


def ndcg_hits(hits, target_num):
    """As `ndcg`, with the ideal over the number of hits only: the form of published ComiRec-protocol codes."""
    discount = _discount(hits.shape[1])
    found = hits.sum(axis=1)
    return np.where(found > 0, hits @ discount / np.cumsum(discount)[np.maximum(found, 1) - 1], 0.0)


def mrr(hits, target_num):
    """`1 / r` of the first hit, r its rank from 1; 0 without any: reciprocal rank."""
    first = hits.argmax(axis=1) + 1
    return np.where(hits.any(axis=1), 1.0 / first, 0.0)


def average_precision(hits, target_num):
    """`sum_{r in hits} precision@r / min(|G|, N)`, `precision@r` the share of hits among the first r."""
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return (precision * hits).sum(axis=1) / np.minimum(target_num, hits.shape[1])


def popularity(items, count, lengths):
    """How often the items of R stand in the training data, their mean at several N.

    Args:
        items: recommended ids `[U, N]`, best first, 0 where a list ends early.
        count: `[item_count]`.
        lengths: the N, at most that of `items`.

    Returns:
        `[U, len(lengths)]`; NaN for an empty list.
    """
    cuts, there = np.asarray(lengths) - 1, items > 0
    number = np.cumsum(there, axis=1)[:, cuts]
    total = np.cumsum(np.where(there, count[items], 0), axis=1)[:, cuts]
    return total / np.where(number > 0, number, np.nan)


def diversity(items, category, lengths):
    """Share of pairs in R with different categories (ComiRec, section 4.3), at several N.

    `1 - 2 · sum_c m_c (m_c - 1) / (n (n - 1))`, n the length of R, m_c how many of it are of category c. An item
    without category differs from all.

    Args:
        items: recommended ids `[U, N]`, best first, 0 where a list ends early.
        category: `[item_count]`, -1 for none.
        lengths: the N, at most that of `items`.

    Returns:
        `[U, len(lengths)]`; NaN for a list with fewer than two items, which has no pairs.
    """
    of_list, cuts = category[items], np.asarray(lengths) - 1
    same = np.where((of_list < 0) | (items == 0), 0, earlier_in_row(of_list))  # pairs with an item further up
    number = np.cumsum(items > 0, axis=1)[:, cuts]
    pairs = np.where(number > 1, number * (number - 1) / 2, np.nan)
    return 1 - np.cumsum(same, axis=1)[:, cuts] / pairs


def coverage(recommended):
    """Share of the catalogue recommended to anyone, for `[item_count]` bool, whose row 0 is padding."""
    return recommended[1:].mean()


def interest_similarity(interests, live):
    """Mean cosine between a user's live interests, `[U, K, D]` and `[U, K]` to `[U]`: 1 is one interest K times.

    NaN for a user with fewer than two.
    """
    norm = np.linalg.norm(interests, axis=2, keepdims=True)
    unit = interests / np.maximum(norm, 1e-12) * live[:, :, None]  # [U, K, D]
    number, alone = live.sum(axis=1), np.square(unit).sum(axis=(1, 2))
    pairs = np.where(number > 1, number * (number - 1), np.nan)
    return (np.square(unit.sum(axis=1)).sum(axis=1) - alone) / pairs  # |sum_i u_i|² = sum_ij u_i · u_j


def norm_spread(interests, live):
    """Standard deviation of the lengths of a user's live interests over their mean: 0 where all are equally long.

    Where it is large under `similarity: dot`, one interest fills the list. NaN for a user with fewer than two.
    """
    norm = np.linalg.norm(interests, axis=2)  # [U, K]
    number = live.sum(axis=1)
    mean = (norm * live).sum(axis=1) / np.maximum(number, 1)
    deviation = np.sqrt((np.square(norm - mean[:, None]) * live).sum(axis=1) / np.maximum(number, 1))
    return np.where(number > 1, deviation / np.maximum(mean, 1e-12), np.nan)


def _discount(length):
    return 1.0 / np.log2(np.arange(2, length + 2))


METRICS = {
    "recall": recall, "ndcg": ndcg, "hitrate": hitrate, "ndcg_hits": ndcg_hits, "mrr": mrr, "map": average_precision,
}  # fmt: skip
INTEREST_METRICS = {"interest_similarity": interest_similarity, "norm_spread": norm_spread}


def list_metrics(hits, target_num, top_n) -> dict[str, np.ndarray]:
    """`recall@20` and so on: every metric of `METRICS` at each N, `[U]`, for hits `[U, longest N]`."""
    return {f"{name}@{n}": metric(hits[:, :n], target_num) for n in top_n for name, metric in METRICS.items()}


class Metrics:
    """Means over users of what is quick to measure, gathered batch by batch.

    Args:
        top_n: the list lengths N; every metric is measured at each.
    """

    def __init__(self, top_n):
        self.top_n = sorted(set(top_n))
        self.users = 0
        self.sums = {f"{name}@{n}": 0.0 for n in self.top_n for name in METRICS}
        self.several = 0  # users with two live interests or more
        self.interest_sums = dict.fromkeys(INTEREST_METRICS, 0.0)

    def update(self, items, target):
        """Count a batch: recommended ids `[U, N]`, best first, 0 where a list ends early; targets, a `Ragged` row each.

        A target that occurs twice in a user's row counts once; a user without target is not counted.
        """
        target_num = target.distinct().lengths  # [U]
        counted = target_num > 0
        hits = (target.contains(items) & (items > 0))[counted]
        self.users += int(counted.sum())
        for name, values in list_metrics(hits, target_num[counted], self.top_n).items():
            self.sums[name] += float(values.sum())

    def update_interests(self, interests, live):
        """Count a batch's interests `[U, K, D]` and live mask `[U, K]`."""
        several = live.sum(axis=1) > 1
        self.several += int(several.sum())
        for name, metric in INTEREST_METRICS.items():
            self.interest_sums[name] += float(metric(interests[several], live[several]).sum())

    def combine(self, total):
        """Make the counts those of all who share the users; `total` sums an array over them."""
        counts = [self.users, self.several, *self.sums.values(), *self.interest_sums.values()]
        users, several, *sums = total(counts).tolist()
        self.users, self.several = int(users), int(several)
        self.sums = dict(zip(self.sums, sums, strict=False))  # the rest is
        self.interest_sums = dict(zip(self.interest_sums, sums[len(self.sums) :], strict=True))

    def result(self) -> dict[str, float]:
        """`recall@20` and so on, the mean over users counted so far.

        Where users have several interests, also `interest_similarity` and `norm_spread`, over those who have.
        """
        means = {name: total / max(self.users, 1) for name, total in self.sums.items()}
        interests = self.interest_sums if self.several else {}
        return means | {name: total / self.several for name, total in interests.items()}
