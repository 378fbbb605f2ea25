"""A split at moments: what came after one is the future, for all users."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tools.common.errors import UserError
from tools.logs.moments import check_later, check_moments, moments_in, moments_of, told
from tools.logs.protocols.plan import HISTORY, LEFT_OUT, NEITHER, TARGET, Plan, plan_events


@dataclass(frozen=True)
class Time:
    """Training before `valid_from`, valid from there to `test_from`, test from there on.

    A user's history is all that the user did before the moment. The targets are the items that came after it and that
    are new to the user, each once. Nothing that a model learns from is later than the moment that it is measured at.
    Without a valid split training ends at `test_from`.

    Args:
        test_from, valid_from: the moments, a number as in the log or a date; without `valid_from` there is no valid
            split; None both: by the shares.
        test_share, valid_share: of all events of the log, the latest are test's, those before them valid's; None: 0.1;
            a `valid_share` of 0 makes no valid split.
        cold: what is done with users without a history and items that nobody had met before the moment. drop: they are
            left out; keep: they are there and count as missed.
    """

    name = "time"
    seed = None
    test_from: str | None = None
    valid_from: str | None = None
    test_share: float | None = None
    valid_share: float | None = None
    cold: str = "drop"

    def __post_init__(self):
        check_moments(self.test_from, self.valid_from, self.test_share, self.valid_share)

    def going_on(self, meta):
        """This protocol with the moments of the data set of this `meta.yaml`, where none are given."""
        given = (self.test_from, self.valid_from, self.test_share, self.valid_share)
        moments = moments_in(meta) if given == (None,) * 4 else {}
        texts: dict[str, Any] = {f"{name}_from": str(moment) for name, moment in moments.items()}
        return replace(self, **texts)

    def plan(self, log, lengths, stretches, earlier=None) -> Plan:
        """The splits of all users; a `UserError` for moments that leave a split empty, and for a log without times.

        A user's item that was trained on `earlier` is not new to the user, whatever has left the log since.
        """
        moments = moments_of(log, self.test_from, self.valid_from, self.test_share, self.valid_share)
        if earlier is not None:
            check_later(earlier.folder, moments_in(earlier.meta), moments)
        never = np.inf if log.time.dtype.kind == "f" else np.iinfo(np.int64).max
        first_of_item, first_of_user = _firsts(log, stretches, never)
        bounds = {"valid": (moments["valid"], moments["test"])} if "valid" in moments else {}
        bounds["test"] = (moments["test"], never)
        begin = min(moments.values())

        def kinds(events):
            found = {"train": np.where(events.times < begin, HISTORY, NEITHER)}
            for name, (start, end) in bounds.items():
                found[name] = kind = _new_items(events, start, end)
                if earlier is not None:
                    kind[(kind == TARGET) & earlier.trained(events)] = NEITHER
                cold = (first_of_item[log.item[events.rows]] >= start) | (_first_times(events) >= start)
                if self.cold == "drop":
                    kind[(kind == TARGET) & cold] = LEFT_OUT
            return found

        reason = "no target and in no history, as repeated and cold items"
        plan = plan_events(kinds, stretches, len(log.item_names), reason=reason, alone=self.cold == "keep")
        for name, (start, end) in bounds.items():
            plan.told[name] |= {
                "from": told(start, log.time.dtype),
                "cold_users": int(((first_of_user >= start) & (first_of_user < end)).sum()),
                "cold_items": int(((first_of_item >= start) & (first_of_item < end)).sum()),
            }
            if not len(plan.splits[name].users):
                raise UserError(f"--protocol time: no user has an event before and a new item from {start} on; move it")
        return plan


def _firsts(log, stretches, never):
    """The time at which each item of the log, by its code, and each user `[U]` is met first; `never` for none."""
    items, users = np.full(len(log.item_names), never, log.time.dtype), []
    for events in stretches():
        np.minimum.at(items, log.item[events.rows], events.times)
        users.append(_first_of_users(events, never))
    return items, np.concatenate(users)


def _first_of_users(events, never):
    """The time of the first event of each user, `[U]`; `never` of one who has left the log."""
    first, some = np.full(len(events.items.lengths), never, events.times.dtype), events.items.lengths > 0
    first[some] = events.times[events.items.offsets[:-1][some]]
    return first


def _first_times(events):
    """The time of the first event of each event's user, `[E]`."""
    return events.times[events.items.offsets[events.items.rows]]


def _new_items(events, start, end):
    """What each event is: HISTORY before `start`; TARGET from there to `end` where its item is met first."""
    rows, items = events.items.rows, events.items.values
    order = np.lexsort((items, rows))  # stable: the first of an item is the oldest
    again = np.zeros(len(items), bool)
    again[order[1:]] = (items[order][1:] == items[order][:-1]) & (rows[order][1:] == rows[order][:-1])
    asked = (events.times >= start) & (events.times < end) & ~again
    return np.where(events.times < start, HISTORY, np.where(asked, TARGET, NEITHER))
