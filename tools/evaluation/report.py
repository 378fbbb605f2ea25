"""What infer.py writes of a system: every metric with its 95 % interval, and by groups of users and of items."""

from typing import Any

import numpy as np

from tools.evaluation.metrics import INTEREST_METRICS, METRICS, coverage, diversity, list_metrics, popularity, recall

HISTORY_BINS = (1, 5, 10, 20, 50, 100)  # shortest history of each group, in items, before the cut at maxlen
DECILES = 10
RESAMPLES, SEED = 1000, 0
DRAWN_AT_ONCE = 2**22


class Report:
    """The metrics of one system, gathered batch by batch.

    Values are kept for each user, as float32: 4 bytes a user, metric and N; the lists are not kept.

    Args:
        top_n: the list lengths N; every metric is measured at each.
        category: of each item, `[item_count]`, -1 for none; None leaves diversity out.
        decile: popularity decile of each item, see `popularity_deciles`; None leaves that split out.
        item_count: rows of the item table, padding included.
        count: how often each item stands in the training data, `[item_count]`; None leaves out the popularity of lists
            and the split by warm and cold items.
    """

    def __init__(self, *, top_n, category, decile, item_count, count=None):
        self.top_n = sorted(set(top_n))
        self.category, self.decile, self.count = category, decile, count
        self.users = 0
        self.batches: list[dict[str, np.ndarray]] = []
        self.history_num: list[np.ndarray] = []
        self.recommended = {n: np.zeros(item_count, bool) for n in self.top_n}
        self.decile_users = np.zeros(DECILES, np.int64)
        self.decile_sums = {n: np.zeros(DECILES) for n in self.top_n}
        self.item_users = dict.fromkeys(("warm", "cold"), 0)
        names = [f"{name}@{n}" for n in self.top_n for name in METRICS]
        self.item_sums = {group: dict.fromkeys(names, 0.0) for group in self.item_users}

    def update(self, items, target, history_num, interests, live):
        """Count a batch; a target that occurs twice counts once, a user without target is not counted.

        Args:
            items: recommended ids `[U, N]`, best first, 0 where a list ends early.
            target: a `Ragged` row each.
            history_num: length of each history, `[U]`.
            interests, live: `[U, K, D]`, `[U, K]`.
        """
        target = target.distinct()
        counted = np.flatnonzero(target.lengths)
        several = live[counted].sum(axis=1) > 1
        items, target, rows = items[counted], target.take(counted), counted[several]
        hits = target.contains(items) & (items > 0)
        values = list_metrics(hits, target.lengths, self.top_n)
        if self.category is not None:
            shares = diversity(items, self.category, self.top_n)
            values |= {f"diversity@{n}": shares[:, column] for column, n in enumerate(self.top_n)}
        if self.count is not None:
            means = popularity(items, self.count, self.top_n)
            values |= {f"popularity@{n}": means[:, column] for column, n in enumerate(self.top_n)}
            self._update_groups(items, hits, target)
        for name, metric in INTEREST_METRICS.items():
            values[name] = np.full(len(counted), np.nan)
            values[name][several] = metric(interests[rows], live[rows])
        self.users += len(counted)
        self.batches.append({name: one.astype(np.float32) for name, one in values.items()})
        self.history_num.append(history_num[counted])
        for n, recommended in self.recommended.items():
            recommended[items[:, :n]] = True
        if self.decile is not None:
            self._update_deciles(items, hits, target)

    def _update_groups(self, items, hits, target):
        cold = self.count == 0
        for group, members in (("warm", ~cold), ("cold", cold)):
            target_num = np.bincount(target.rows[members[target.values]], minlength=len(items))
            some = target_num > 0
            self.item_users[group] += int(some.sum())
            found = (hits & members[items])[some]
            for name, values in list_metrics(found, target_num[some], self.top_n).items():
                self.item_sums[group][name] += float(values.sum())

    def _update_deciles(self, items, hits, target):
        of_list, of_target = self.decile[items], self.decile[target.values]
        for decile in range(DECILES):
            target_num = np.bincount(target.rows[of_target == decile], minlength=len(items))
            some = target_num > 0
            found = (hits & (of_list == decile))[some]
            self.decile_users[decile] += some.sum()
            for n, sums in self.decile_sums.items():
                sums[decile] += recall(found[:, :n], target_num[some]).sum()

    def of_users(self, name) -> np.ndarray:
        """A metric of each counted user, `[U]` float32, in the order of `update`; NaN where a user has none."""
        return np.concatenate([one[name] for one in self.batches])

    def result(self) -> dict[str, Any]:
        """`recall@20` and so on, the mean over `users`; a metric that no user has is left out.

        Diversity is meant over users with two recommended items or more, interest metrics over those with two
        interests or more. Under `interval` stand 95 % intervals of the means, under `by_history` users and means by
        length of the history, under `by_popularity` recall over a user's targets of one popularity decile, the mean
        over users who have any; 1 is the decile of the most popular items. Under `by_item` stand the metrics of lists
        over a user's warm targets alone and cold ones alone: items that stand in no training row.
        """
        names = list(self.batches[0])
        values = np.stack([self.of_users(name) for name in names], axis=1)  # [U, M]
        names, values = _known(names, values)
        intervals = bootstrap(values).T.tolist()
        groups = np.searchsorted(HISTORY_BINS, np.concatenate(self.history_num), side="right") - 1
        result: dict[str, Any] = {"users": self.users, **_means(names, values)}
        result |= {f"coverage@{n}": float(coverage(one)) for n, one in self.recommended.items()}
        result["interval"] = dict(zip(names, intervals, strict=True))
        result["by_history"] = {
            _bin_name(group): {"users": int((groups == group).sum()), **_means(*_known(names, values[groups == group]))}
            for group in np.unique(groups).tolist()
        }
        if self.count is not None:
            result["by_item"] = {
                group: {"users": users, **{name: total / users for name, total in self.item_sums[group].items()}}
                for group, users in self.item_users.items()
                if users
            }
        if self.decile is not None:
            result["by_popularity"] = {
                str(decile + 1): {
                    "users": int(users),
                    **{f"recall@{n}": float(sums[decile] / users) for n, sums in self.decile_sums.items()},
                }
                for decile, users in enumerate(self.decile_users)
                if users
            }
        return result


def _known(names, values):
    """The metrics that some user has."""
    some = np.isfinite(values).any(axis=0)
    return [name for name, kept in zip(names, some, strict=True) if kept], values[:, some]


def _means(names, values) -> dict[str, float]:
    return {name: float(np.nanmean(one, dtype=np.float64)) for name, one in zip(names, values.T, strict=True)}


def _bin_name(group):
    """`5-9`, `100+`, and `0` for users without a history."""
    if group < 0:
        return "0"
    end = "+" if group == len(HISTORY_BINS) - 1 else f"-{HISTORY_BINS[group + 1] - 1}"
    return f"{HISTORY_BINS[group]}{end}"


def bootstrap(values) -> np.ndarray:
    """95 % intervals of means: percentiles 2.5 and 97.5 over 1,000 resamples of the users (Efron 1979), fixed seed.

    Users are drawn with replacement, the same for all metrics; time grows with the users, memory is bounded.

    Args:
        values: `[U, M]`, NaN where a user does not count.

    Returns:
        `[2, M]`.
    """
    users, rng = len(values), np.random.default_rng(SEED)
    counted = np.isfinite(values)
    known = np.concatenate([np.where(counted, values, 0), counted], axis=1, dtype=np.float32)  # [U, 2M]
    sums = []
    rows = max(DRAWN_AT_ONCE // users, 1)
    for start in range(0, RESAMPLES, rows):
        shape = (min(rows, RESAMPLES - start), users)
        drawn = rng.integers(users, size=shape) + np.arange(shape[0])[:, None] * users
        times = np.bincount(drawn.ravel(), minlength=shape[0] * users).reshape(shape)  # how often each was drawn
        sums.append(times.astype(np.float32) @ known)
    total, number = np.split(np.concatenate(sums), 2, axis=1)  # [1000, M]
    return np.nanpercentile(total / np.where(number > 0, number, np.nan), [2.5, 97.5], axis=0)


def popularity_deciles(items, item_count) -> np.ndarray:
    """Decile of each item, 0 … 9: items in the order of falling count, cut where each part has a tenth of all counts.

    The deciles are thus of interactions, not of items: each is asked for about equally often. An item belongs where its
    first interaction falls; items without any are in the last.

    Args:
        items: ids of all training interactions.
        item_count: rows of the item table.

    Returns:
        `[item_count]`.
    """
    counts = np.bincount(items, minlength=item_count)
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    decile = np.empty(len(counts), np.int64)
    decile[order] = np.minimum(DECILES * before // max(counts.sum(), 1), DECILES - 1)
    return decile
