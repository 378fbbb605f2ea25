"""What all protocols share: which users and items stay, how they are numbered, who trains and who tests.

What grows with the log is looked at a stretch at a time, so its arrays may lie in files.
"""

from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any, NamedTuple

import numpy as np

from tools.common.errors import UserError, did_you_mean
from tools.common.ragged import pieces, ragged
from tools.logs.interactions import Interactions
from tools.logs.protocols.comirec import ComiRec
from tools.logs.protocols.leave_one_out import LeaveOneOut
from tools.logs.protocols.mind import Mind
from tools.logs.protocols.plan import Events, Plan
from tools.logs.protocols.random import Random
from tools.logs.protocols.time import Time
from tools.logs.ties import draw, tied

PROTOCOLS: dict[str, Any] = {one.name: one for one in (ComiRec, Mind, LeaveOneOut, Time, Random)}
STRETCH = 1 << 24  # interactions that are held in memory at once


class Prepared(NamedTuple):
    """What the protocol makes of a log, U users; their events are given by `events`."""

    user_codes: np.ndarray  # [U] code in the log of user 0, 1, …
    item_codes: np.ndarray  # code in the log of item 1, 2, …
    lengths: np.ndarray  # [U] interactions of each user
    plan: Plan  # the splits
    dropped: dict[str, int]  # reason -> interactions left out

    @property
    def counts(self) -> dict[str, int]:
        """What there is, for the log."""
        users, items = len(self.user_codes), len(self.item_codes)
        return {"interactions": int(self.lengths.sum()), "users": users, "items": items}


def open_protocol(name, options) -> Any:
    """The protocol of a name with the options that were given.

    Args:
        name: in `PROTOCOLS`.
        options: name -> value, None where it was not given; those of other protocols among them.

    Raises:
        UserError: for an option that this protocol has not.
    """
    if name not in PROTOCOLS:
        raise UserError(f"protocol {name!r}: not one of {', '.join(PROTOCOLS)}{did_you_mean(name, PROTOCOLS)}")
    own = {other: [each.name for each in fields(one)] for other, one in PROTOCOLS.items()}
    given = {key: value for key, value in options.items() if value is not None}
    for key in given:
        if key not in own[name]:
            owners = " or ".join(other for other in own if key in own[other])
            if not owners:
                known = {one for each in own.values() for one in each}
                raise UserError(f"{key}: no option of a protocol{did_you_mean(key, sorted(known))}; remove it")
            told = f"--{key.replace('_', '-')} goes with --protocol {owners}, not with {name}"
            raise UserError(f"{told}; remove it or choose another protocol")
    return PROTOCOLS[name](**given)


def protocol_meta(protocol) -> dict[str, Any]:
    """What `meta.yaml` says of a protocol: name, options, and seed where it draws."""
    options = {key: value for key, value in asdict(protocol).items() if value is not None}
    meta = {"protocol": protocol.name} | ({"protocol_options": options} if options else {})
    return meta | ({} if protocol.seed is None else {"split_seed": protocol.seed})


def dropped_text(rows, reason) -> str:
    """How many interactions were left out and why, for people: `33 interactions dropped: of users with …`."""
    return f"{rows} interactions dropped: {'of ' if reason.startswith(('items with', 'users with')) else ''}{reason}"


def prepare(log: Interactions, *, protocol, min_items: int, min_users: int, known=None, earlier=None) -> Prepared:
    """Filter, number and split a log by a protocol, as `open_protocol` gives it.

    One pass: items with fewer than `min_items` interactions go, then users with fewer than `min_users` left. Items are
    numbered from 1 by falling count, ties by first appearance; users from 0 in source order. The count is that over all
    users where some users train and others test, and that of the training split where all users train: ids, too, say
    nothing of what is to be foretold. Splits don't depend on the training seed.

    What is `known`, see `tools.logs.align`, stays however rare it is, and comes first. What was trained on
    `earlier`, see `tools.logs.protocols.earlier`, is no target.
    """
    count, common, left, active = _kept(log, min_items, min_users, known)
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
    prepared = Prepared(user_codes, item_codes, left[user_codes], Plan({}), dropped)
    everybody = np.arange(len(user_codes))
    plan = protocol.plan(log, prepared.lengths, lambda: events(log, prepared, everybody), earlier)
    if plan.train_count is not None:
        item_codes = np.sort(item_codes)
        trained = np.zeros(len(count), np.int64)
        trained[prepared.item_codes] = plan.train_count[1 : len(item_codes) + 1]
        item_codes = item_codes[np.argsort(-trained[item_codes], kind="stable")]
        item_codes = behind(known.items, item_codes) if known else item_codes
    return prepared._replace(item_codes=item_codes, plan=plan, dropped=dropped | plan.dropped)


def _kept(log, min_items, min_users, known):
    """Interactions of each item, and which items stay; interactions with these of each user, and which users stay."""
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
    return count, common, left, active


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
        yield Events(ragged(prepared.lengths[some], number[log.item[rows]]), times, rows, some)


def stretches_of(users, lengths) -> list[np.ndarray]:
    """Users in pieces of about `STRETCH` interactions each; `lengths` are those of all users."""
    stretch = np.cumsum(lengths[users]) // STRETCH
    return np.split(users, np.flatnonzero(np.diff(stretch)) + 1)
