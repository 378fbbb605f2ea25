"""The evaluation protocols: which users and items stay, how they are numbered, who trains and who tests."""

import random
from typing import NamedTuple

import numpy as np

from tools.interactions import Interactions
from tools.ragged import Ragged, ragged

SPLIT_SEED = 1230
CUTS = {"comirec": (0.8, 0.9), "mind": (0.9, 0.95)}  # where the shuffled users are cut into train, valid and test


class Prepared(NamedTuple):
    """A log after the protocol."""

    items: Ragged  # a row a user, our item ids, oldest first
    times: np.ndarray  # [E], as items.values
    rows: np.ndarray  # [E], as items.values: row of the log
    user_codes: np.ndarray  # code in the log of each user
    item_codes: np.ndarray  # code in the log of item 1, 2, …
    splits: dict[str, np.ndarray]  # name -> users, in the order of the shuffle
    dropped: dict[str, int]  # reason -> interactions left out


def prepare(log: Interactions, *, protocol: str, min_count: int) -> Prepared:
    """Filter, number and split a log (ComiRec's protocol, or MIND's 19:1 split of users with one target each).

    One pass: items with fewer than `min_count` interactions go, then users with fewer left. Items are numbered from 1
    by falling count over all users, ties by first appearance; users from 0 in source order. The split is that of
    `random.Random(1230).shuffle`, whatever the training seed.
    """
    count = np.bincount(log.item)
    common = count[log.item] >= min_count
    active = np.bincount(log.user[common], minlength=len(log.user_names)) >= min_count
    kept = common & active[log.user]
    user_codes = np.flatnonzero(active)
    item_codes = np.argsort(-count, kind="stable")[: int((count >= min_count).sum())]
    user_number, item_number = np.zeros(len(active), np.int64), np.zeros(len(count), np.int32)
    user_number[user_codes] = np.arange(len(user_codes))
    item_number[item_codes] = np.arange(1, len(item_codes) + 1)
    users, items, times = user_number[log.user[kept]], item_number[log.item[kept]], log.time[kept]
    order = np.lexsort((times, users))
    rows = ragged(np.bincount(users, minlength=len(user_codes)), items[order])
    dropped = {
        **log.dropped,
        f"items with fewer than {min_count} interactions": int((~common).sum()),
        f"users with fewer than {min_count} interactions left": int((common & ~kept).sum()),
    }
    return Prepared(
        rows,
        times[order],
        np.flatnonzero(kept)[order],
        user_codes,
        item_codes,
        _split(len(user_codes), protocol),
        dropped,
    )


def _split(user_num, protocol):
    shuffled = list(range(user_num))
    random.Random(SPLIT_SEED).shuffle(shuffled)
    first, second = (int(share * user_num) for share in CUTS[protocol])
    order = np.array(shuffled, np.int64)
    return {"train": order[:first], "valid": order[first:second], "test": order[second:]}


def cut_at_targets(items: Ragged, seed=SPLIT_SEED) -> Ragged:
    """MIND's protocol: each user up to one randomly chosen behaviour, the target, which is not the first."""
    length = 2 + np.random.default_rng(seed).integers(0, np.maximum(items.lengths - 1, 1))
    return items.spans(items.offsets[:-1], np.minimum(length, items.lengths))
