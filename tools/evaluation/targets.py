"""What figures of a split can and cannot say: targets that no list may hold, that no row trains, that stand twice."""

import logging
from typing import Any

import numpy as np

from tools.common import ranks


def count_targets(batches, *, filter_seen, trained=None, selection=None) -> dict[str, int]:
    """How many targets a split has, and how many of them are of a kind that figures don't tell.

    Args:
        batches: `reader.InferBatch`es.
        filter_seen: whether lists leave out the history.
        trained: whether an item stands in the training data, `[item_count]`; None: not known.
        selection: the items that lists may hold; None: all.

    Returns:
        `users` and `targets`, a target that stands twice with its user counted once; `repeated`, how often that is;
        `in_history`; `unreachable`, those of them that `filter_seen` leaves out, and `unreachable_users`, who have no
        other; `users_twice`, users who are evaluated more than once; with `trained` also `untrained` targets, and with
        `selection` those that are `filtered` out.
    """
    names = ("targets", "repeated", "in_history", "unreachable_users", "untrained", "filtered")
    counts: dict[str, int] = dict.fromkeys(names, 0)
    users: list[np.ndarray] = []
    for batch in batches:
        target = batch.target.distinct()
        seen = batch.seen.holds(target)
        lost = np.bincount(target.rows[seen], minlength=len(target.lengths)) == target.lengths
        counts["targets"] += len(target.values)
        counts["repeated"] += len(batch.target.values) - len(target.values)
        counts["in_history"] += int(seen.sum())
        counts["unreachable_users"] += int((lost & (target.lengths > 0)).sum()) if filter_seen else 0
        counts["untrained"] += 0 if trained is None else int((~trained[target.values]).sum())
        counts["filtered"] += 0 if selection is None else int((~selection.allowed[target.values]).sum())
        users.append(np.asarray(batch.user))
    each = np.concatenate(users) if users else np.zeros(0, np.int64)
    counts |= {"users": len(each), "users_twice": len(each) - len(np.unique(each))}
    summed = ranks.total(list(counts.values()))  # of all processes that share the users
    counts = dict(zip(counts, map(int, summed), strict=True))
    counts["unreachable"] = counts["in_history"] if filter_seen else 0
    if trained is None:
        del counts["untrained"]
    if selection is None:
        del counts["filtered"]
    return counts


def tell(split, counts: dict[str, Any], top_n, item_num):
    """Log what makes the figures of a split mislead, a line each; nothing where nothing does.

    Args:
        split: its name.
        counts: what `count_targets` gave.
        top_n: the list lengths N.
        item_num: V.
    """
    if ranks.rank():
        return
    of, users = counts["targets"], counts["users"]
    if lost := counts["unreachable"]:
        logging.warning(
            "%s: filter_seen leaves out %d of %d targets (%.1f %%), which stand in their user's history; %d of %d "
            "users have no other; where items are met again, set runner.filter_seen to false",
            split, lost, of, 100 * lost / of, counts["unreachable_users"], users,
        )  # fmt: skip
    if untrained := counts.get("untrained"):
        logging.warning(
            "%s: %d of %d targets stand in no training row, so ids say nothing of them", split, untrained, of
        )
    if filtered := counts.get("filtered"):
        logging.warning(
            "%s: the filters leave out %d of %d targets (%.1f %%), which count as missed",
            split, filtered, of, 100 * filtered / of,
        )  # fmt: skip
    if counts["repeated"]:
        logging.info("%s: %d targets stand with their user before; each counts once", split, counts["repeated"])
    if counts["users_twice"]:
        logging.warning("%s: %d of %d users stand there before; each counts again", split, counts["users_twice"], users)
    if whole := [n for n in top_n if n >= item_num]:
        logging.warning(
            "%s: a list of %d holds the whole catalogue of %d items, whatever the model: choose a smaller runner.top_n",
            split, min(whole), item_num,
        )  # fmt: skip
