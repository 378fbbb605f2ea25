"""What a protocol makes of the users of a log: who stands in each split, with which events, and what is the history."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import NamedTuple

import numpy as np

from tools.common.errors import UserError
from tools.common.ragged import Ragged
from tools.logs.ties import tied

# What an event is in a split; LEFT_OUT would be a target, but is cold, or the data set that is extended trained on it.
HISTORY, TARGET, LEFT_OUT, NEITHER = range(4)


class Events(NamedTuple):
    """Interactions of some users."""

    items: Ragged  # a row a user, our item ids, oldest first
    times: np.ndarray  # [E], as items.values
    rows: np.ndarray  # [E], as items.values: row of the log
    users: np.ndarray  # [U] their numbers


class Split(NamedTuple):
    """Users of a split, in the order in which they are written, and their events."""

    users: np.ndarray  # [U]
    lengths: np.ndarray  # [U] events that are written of each
    history: np.ndarray | None = None  # [U] how many of them are the history; None: the protocol's name says it
    choose: Callable[[Events], np.ndarray] | None = None  # which events of some users are written, user after user


class Plan(NamedTuple):
    """The splits of a log."""

    splits: dict[str, Split]
    dropped: dict[str, int] = {}  # reason -> interactions that stand in no split
    train_count: np.ndarray | None = None  # [V + 1] by which items are numbered; None: by their count over all users
    ties: int | None = None  # events that share their time with another of their user; None: not counted yet
    told: dict[str, dict[str, int]] = {}  # split -> what of its users and targets is to be known


class Cut(NamedTuple):
    """What a split takes of the events of some users."""

    places: np.ndarray  # [E'] of the events, user after user, each one's history before the targets
    lengths: np.ndarray  # [U] how many of each user
    history: np.ndarray  # [U] how many of those are the history


def arrange(items: Ragged, kind) -> Cut:
    """The cut where each event is what `kind` `[E]` says."""
    rows, users = items.rows, len(items.lengths)
    index = np.flatnonzero(kind <= TARGET)
    index = index[np.lexsort((kind[index], rows[index]))]  # stable: oldest first among those of a kind
    history = np.bincount(rows[kind == HISTORY], minlength=users)
    return Cut(index, np.bincount(rows[index], minlength=users), history)


def plan_events(cut: Callable, stretches: Callable[[], Iterable[Events]], item_num, *, reason="", alone=False) -> Plan:
    """The plan of a protocol whose training users are test users, too.

    Args:
        cut: events to the `kind`, as `arrange` takes it, of each split, `train` the first.
        stretches: gives the events of all users, some after the others.
        item_num: V.
        reason: why events stand in no split.
        alone: whether users without any history stand in valid and test.
    """
    train_count, ties, unused = np.zeros(item_num + 1, np.int64), 0, 0
    found: dict[str, list] = {}
    told: dict[str, dict[str, int]] = {}
    for events in stretches():
        used = np.zeros(len(events.times), bool)
        for name, kind in cut(events).items():
            index, lengths, history = arrange(events.items, kind)
            wanted = lengths > 0 if name == "train" else (lengths > history) & ((history > 0) | alone)
            found.setdefault(name, []).append((wanted, lengths, history))
            counts = told.setdefault(name, {"targets": 0, "left_out": 0})
            counts["targets"] += int((lengths - history)[wanted].sum())
            counts["left_out"] += int((kind == LEFT_OUT).sum())
            used[index[np.repeat(wanted, lengths)]] = True
            if name == "train":
                train_count += np.bincount(events.items.values[index], minlength=item_num + 1)
        unused += int((~used).sum())
        same = tied(events.items.rows[used], events.times[used])
        ties += int((same | np.append(same[1:], False)).sum())
    splits = {}
    for name, parts in found.items():
        wanted, lengths, history = map(np.concatenate, zip(*parts, strict=True))
        users = np.flatnonzero(wanted)
        choose = _chooser(cut, name)
        splits[name] = Split(users, lengths[users], None if name == "train" else history[users], choose)
    del told["train"]
    return Plan(splits, {reason: unused} if reason else {}, train_count, ties, told)


def _chooser(cut, name):
    return lambda events: arrange(events.items, cut(events)[name]).places


def same_options(protocol, meta):
    """The protocol; a `UserError` where the data set of a `meta.yaml` was prepared with other options."""
    own, theirs = asdict(protocol), meta.get("protocol_options")
    if theirs != own:
        raise UserError(f"--protocol {protocol.name}: {own} here, {theirs} in the data set to extend; give the same")
    return protocol
