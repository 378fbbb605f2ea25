"""What all protocols share: which users and items stay, how they are numbered, who trains and who tests.

What grows with the log is looked at a stretch at a time, so its arrays may lie in files.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tools.common.ragged import Ragged, pieces, ragged
from tools.logs.interactions import Interactions
from tools.logs.protocols import comirec, mind
from tools.logs.ties import draw, tied

SPLIT_SEED = 1230
PROTOCOLS = {"comirec": comirec, "mind": mind}
STRETCH = 1 << 24  # interactions that are held in memory at once


class Prepared(NamedTuple):
    """What the protocol makes of a log, U users; their events are given by `events`."""

    user_codes: np.ndarray  # [U] code in the log of user 0, 1, …
    item_codes: np.ndarray  # code in the log of item 1, 2, …
    lengths: np.ndarray  # [U] interactions of each user
    splits: dict[str, np.ndarray]  # name -> users, in the order of the shuffle
    dropped: dict[str, int]  # reason -> interactions left out


def dropped_text(rows, reason) -> str:
    """How many interactions were left out and why, for people: `33 interactions dropped: of users with …`."""
    return f"{rows} interactions dropped: {'of ' if reason.startswith(('items with', 'users with')) else ''}{reason}"


class Events(NamedTuple):
    """Interactions of some users."""

    items: Ragged  # a row a user, our item ids, oldest first
    times: np.ndarray  # [E], as items.values
    rows: np.ndarray  # [E], as items.values: row of the log


def prepare(log: Interactions, *, protocol: str, min_items: int, min_users: int, known=None) -> Prepared:
    """Filter, number and split a log (ComiRec's protocol, or MIND's 19:1 split of users with one target each).

    One pass: items with fewer than `min_items` interactions go, then users with fewer than `min_users` left. Items are
    numbered from 1 by falling count over all users, ties by first appearance; users from 0 in source order. The split
    is that of `random.Random(1230).shuffle`, whatever the training seed.

    What is `known`, see `tools.logs.align`, stays however rare it is, and comes first.
    """
    count, left = np.zeros(len(log.item_names), np.int64), np.zeros(len(log.user_names), np.int64)
    for part in pieces(len(log.item), STRETCH):
        count += np.bincount(log.item[part], minlength=len(count))
    common = count >= min_items
    if known:
        common[known.items] = True
    for part in pieces(len(log.item), STRETCH):
        left += np.bincount(log.user[part][common[log.item[part]]], minlength=len(left))
    active = left >= min_users
    if known:
        active[known.users] = True
    user_codes = np.flatnonzero(active)
    dropped = {
        **log.dropped,
        f"items with fewer than {min_items} interactions": len(log.item) - int(left.sum()),
        f"users with fewer than {min_users} interactions left": int(left[~active].sum()),
    }
    item_codes = np.argsort(-count, kind="stable")
    item_codes = item_codes[common[item_codes]]
    if known:
        user_codes, item_codes = behind(known.users, user_codes), behind(known.items, item_codes)
    return Prepared(user_codes, item_codes, left[user_codes], split_users(len(user_codes), protocol), dropped)


def behind(known, codes):
    """The known codes, and behind them the others."""
    return np.concatenate([known, codes[~np.isin(codes, known)]])


def events(log: Interactions, prepared: Prepared, users) -> Iterator[Events]:
    """The events of users, in the given order, each user's oldest first, a stretch at a time.

    Ties are in an order that is drawn from a seed, or with `log.ties` "file" in source order.

    For each stretch the log is gone through once, so nothing need be sorted on the disk: 10^8 interactions are half a
    dozen stretches.
    """
    number = np.zeros(len(log.item_names), np.int32)  # 0: not among ours
    number[prepared.item_codes] = np.arange(1, len(prepared.item_codes) + 1)
    for some in stretches_of(users, prepared.lengths):
        place = np.full(len(log.user_names), -1, np.int32)
        place[prepared.user_codes[some]] = np.arange(len(some))
        found = []
        for part in pieces(len(log.item), STRETCH):
            theirs = np.flatnonzero(place[log.user[part]] >= 0)
            found.append(part.start + theirs[number[log.item[part][theirs]] > 0])
        rows = np.concatenate(found)
        times, place = log.time[rows], place[log.user[rows]]
        order = np.lexsort((times, place))
        rows, times = rows[order], times[order]
        if log.ties == "draw":
            rows = draw(log, rows, tied(place[order], times))
        yield Events(ragged(prepared.lengths[some], number[log.item[rows]]), times, rows)


def stretches_of(users, lengths) -> list[np.ndarray]:
    """Users in pieces of about `STRETCH` interactions each; `lengths` are those of all users."""
    stretch = np.cumsum(lengths[users]) // STRETCH
    return np.split(users, np.flatnonzero(np.diff(stretch)) + 1)


def split_users(user_num, protocol) -> dict[str, np.ndarray]:
    """Split -> users in the order of the shuffle, which depends on their number alone."""
    shuffled = list(range(user_num))
    random.Random(SPLIT_SEED).shuffle(shuffled)
    first, second = (int(share * user_num) for share in PROTOCOLS[protocol].CUTS)
    order = np.array(shuffled, np.int64)
    return {"train": order[:first], "valid": order[first:second], "test": order[second:]}
