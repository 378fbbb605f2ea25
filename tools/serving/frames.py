"""Histories from a frame of pandas or Polars, or from lists, and what is answered as a frame of the same kind."""

import re
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import polars

from tools.common.errors import did_you_mean
from tools.common.files import shown
from tools.common.ragged import Ragged, ragged
from tools.data.titles import spelled
from tools.logs.frame import as_polars
from tools.serving.requests import RequestError

WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")  # how a whole number is written; a text that only looks like one is none
EXACT = 2**53  # up to which a float holds each whole number


class ItemIds:
    """The items of a model by the user's own ids.

    Args:
        names: our ids -> the user's own.
        item_num: V; an item without a name is called by its number.
    """

    def __init__(self, names: dict[int, str], item_num):
        self.names = polars.Series("item", ["", *spelled(names, item_num + 1)[1:]])
        self.whole = all(map(WHOLE.fullmatch, self.names[1:]))  # ids may come and go as whole numbers
        self.rows = polars.DataFrame({"id": list(names.values()), "item": list(names)})

    def find(self, items, what="items") -> np.ndarray:
        """Our ids, `[n]`, 0 for what the model doesn't know; a `RequestError` for what is no id.

        Args:
            items: a Series of Polars, or a list.
            what: they are, for messages.
        """
        texts = id_texts(items, what)
        found = texts.to_frame("id").join(self.rows, on="id", how="left", maintain_order="left")["item"]
        return found.fill_null(0).to_numpy().astype(np.int64)

    def spell(self, items, *, whole) -> polars.Series:
        """The user's own ids of ours, as whole numbers where they are and are wanted to be."""
        names = self.names.gather(items)
        return names.cast(polars.Int64) if whole and self.whole else names


def id_texts(ids, what) -> polars.Series:
    """Ids as a data set has them: texts, a whole number without its point; a `RequestError` for what is none."""
    ids = _series(ids)
    if ids.null_count():
        raise RequestError(f"{what}: row {int(ids.is_null().arg_max())} has none; drop such rows")
    if ids.dtype.is_float():
        wrong = ids.filter(~(ids == ids.floor()) | (ids.abs() >= EXACT))
        if len(wrong):
            raise RequestError(f"{what}: {wrong[0]} is no id; ids are texts or whole numbers, and floats lose digits")
        ids = ids.cast(polars.Int64)
    kind = ids.dtype
    if not (kind.is_integer() or kind in (polars.String, polars.Categorical, polars.Enum)):
        raise RequestError(f"{what}: {shown(ids[0])} of type {kind} is no id; ids are texts or whole numbers")
    return ids.cast(polars.String)


def _series(ids) -> polars.Series:
    if isinstance(ids, polars.Series):
        return ids
    ids = list(ids)
    if len({isinstance(one, str) for one in ids}) > 1 and not any(isinstance(one, float | bool) for one in ids):
        ids = list(map(str, ids))  # texts and whole numbers
    try:
        return polars.Series(ids) if ids else polars.Series(ids, dtype=polars.String)
    except (TypeError, polars.exceptions.PolarsError):
        raise RequestError(f"{shown(ids)} are not ids of one kind; ids are texts or whole numbers") from None


class Asked(NamedTuple):
    """Whom lists are asked for."""

    users: polars.Series  # the user's own ids, as they came
    items: Ragged  # our ids of what the model knows of each history
    whole: bool  # item ids came as whole numbers


def read_histories(given, catalogue: ItemIds, *, user, item, time) -> Asked:
    """The histories of a frame, of `{user: items}` or of a list of lists, users by first appearance.

    Items that the model doesn't know are skipped, with a warning that counts them.

    Args:
        given: the histories, oldest item first where there is no time.
        catalogue: the model's items.
        user, item: columns of a frame.
        time: its column of times, by which a history is ordered; None: the rows are in order.

    Raises:
        RequestError: for a missing column, what is no id, and histories of which the model knows nothing.
    """
    if not is_frame(given):
        pairs = list(given.items() if isinstance(given, Mapping) else enumerate(given))
        if any(isinstance(items, str | int | np.integer) for _, items in pairs):
            raise RequestError(
                "histories: a list of items; give a list of histories, [[item, …]], or {user: [item, …]}"
            )
        lengths = [len(items) for _, items in pairs]
        users, events = _series([name for name, _ in pairs]), _series([one for _, items in pairs for one in items])
        return _asked(users, np.repeat(np.arange(len(pairs)), lengths), events, catalogue)
    has = list(map(str, given.collect_schema() if isinstance(given, polars.LazyFrame) else given.columns))
    for role, column in (("user", user), ("item", item), ("time", time)):
        if column is not None and column not in has:
            near = did_you_mean(column, has)
            raise RequestError(f"no column {column!r}, give {role}=; the frame has {', '.join(has)}{near}")
    frame = as_polars(given, [one for one in (user, item, time) if one])
    names = frame[user].unique(maintain_order=True)
    if time is not None:
        if frame[time].null_count():
            raise RequestError(f"{time}: row {int(frame[time].is_null().arg_max())} has no time; drop such rows")
        frame = frame.sort(time, maintain_order=True)
    rows = polars.DataFrame({"user": names, "row": np.arange(len(names))})
    row = frame.select(user=user).join(rows, on="user", how="left", maintain_order="left", nulls_equal=True)["row"]
    order = np.argsort(row.to_numpy(), kind="stable")
    id_texts(names, "users")
    return _asked(names, row.to_numpy()[order], frame[item][order], catalogue)


def is_frame(given) -> bool:
    """Whether something is a frame of pandas or Polars."""
    return isinstance(given, polars.DataFrame | polars.LazyFrame) or (
        hasattr(given, "columns") and hasattr(given, "iloc")
    )


def _asked(users, row, events, catalogue) -> Asked:
    """Users, the row of each event, and the events' items."""
    if not len(users):
        raise RequestError("histories: none; give one or more")
    items = catalogue.find(events) if len(events) else np.zeros(0, np.int64)
    known = items > 0
    told = f"{len(items) - known.sum():,} of {len(items):,} items are unknown to the model"
    if not known.all():
        told += f", the first is {events[int(np.argmin(known))]!r}"
    if not known.any():
        raise RequestError(f"{told}; item ids are those of the data set, such as {catalogue.names[1]!r}")
    kept = np.bincount(row[known], minlength=len(users))
    if not known.all():
        warnings.warn(f"{told}; they are skipped", stacklevel=4)
    if (kept == 0).any():
        name = users[int(np.argmin(kept > 0))]
        warnings.warn(f"{(kept == 0).sum():,} users have no known item and get no list, first {name!r}", stacklevel=4)
    return Asked(users, ragged(kept, items[known]), bool(events.dtype.is_numeric()))


def like(given, frame: polars.DataFrame) -> Any:
    """A frame of Polars as one of pandas where that came in."""
    if not hasattr(given, "iloc"):
        return frame
    import pandas

    columns = {one.name: one.to_numpy() if one.dtype.is_numeric() else one.to_list() for one in frame}
    return pandas.DataFrame(columns)
