"""Retrieval metrics: one function each, per user; `Metrics` means them over users."""

import numpy as np


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


def _discount(length):
    return 1.0 / np.log2(np.arange(2, length + 2))


METRICS = {"recall": recall, "ndcg": ndcg, "hitrate": hitrate, "ndcg_hits": ndcg_hits}


class Metrics:
    """Means over users, gathered batch by batch.

    Args:
        top_n: the list lengths N; every metric is measured at each.
    """

    def __init__(self, top_n):
        self.top_n = sorted(set(top_n))
        self.users = 0
        self.sums = {f"{name}@{n}": 0.0 for n in self.top_n for name in METRICS}

    def update(self, items, target):
        """Count a batch: recommended ids `[U, N]`, best first, 0 where a list ends early; targets, a `Ragged` row each.

        A target that stands twice in a user's row counts once; a user without target is not counted.
        """
        target_num = target.distinct_counts()  # [U]
        counted = target_num > 0
        hits = (target.contains(items) & (items > 0))[counted]
        self.users += int(counted.sum())
        for n in self.top_n:
            for name, metric in METRICS.items():
                self.sums[f"{name}@{n}"] += float(metric(hits[:, :n], target_num[counted]).sum())

    def result(self) -> dict[str, float]:
        """`recall@20` and so on, the mean over users counted so far."""
        return {name: total / max(self.users, 1) for name, total in self.sums.items()}
