"""A link that carries the state of the explorer's page, in the user's own ids."""

import math
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from tools.common.errors import UserError, did_you_mean
from tools.common.files import shown
from tools.common.interests import FIRST, interest_number

MOST_FIELDS = 2000  # of a link


class State(NamedTuple):
    """What is chosen on the page."""

    user: int | None  # place in the page's users
    history: list[int]  # our ids, oldest first
    used: list[list[int]]  # of each model, rows of the interests that retrieve
    percent: float  # of the range of the scores, for lambda
    top_n: int  # N
    category: list[str]  # names of those that alone may be retrieved; none: all


def write(state: State, page) -> str:
    """The query of a link: what differs from the page without one."""
    pairs: list[tuple[str, Any]] = []
    if state.user is not None:
        pairs.append(("user", page.users[state.user].name))
    if state.history != page.history(state.user) or (state.user is None and page.users):
        pairs += [("history", page.names[item]) for item in state.history] or [("history", "")]
    if state.used != page.every:
        pairs += [("interests", ",".join(f"{interest_number(row)}" for row in sorted(rows))) for rows in state.used]
    if state.percent:
        pairs.append(("variety", f"{state.percent:g}"))
    if state.top_n != page.listed:
        pairs.append(("top_n", state.top_n))
    return "?" + urlencode([*pairs, *(("category", name) for name in state.category)])


def read(query, page) -> State:
    """The state that a link carries; what it leaves out is as on the page without one.

    Raises:
        UserError: for what cannot be, a line for each fault.
    """
    try:
        pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:  # not UTF-8, or more fields
        raise UserError(f"the link is no text, or has more than {MOST_FIELDS} values; copy it whole") from None
    given: dict[str, list[str]] = {}
    for key, value in pairs:
        if not key.startswith("__"):  # Gradio's own, as __theme
            given.setdefault(key, []).append(value)
    found = {key: _value(key, values, page) for key, values in given.items()}
    if faults := [str(one) for one in found.values() if isinstance(one, Exception)]:
        raise UserError("\n".join(faults))
    user = found.get("user", None if "history" in found else page.start.user)
    start = page.start._replace(user=user, history=page.history(user))
    return start._replace(**{KEYS.get(key, key): value for key, value in found.items()})


def _value(key, values, page):
    """What a key of a link says, or the error."""
    try:
        if key not in READERS:
            raise UserError(f"{shown(key)!r} is none of {', '.join(READERS)}{did_you_mean(key, READERS)}")
        return READERS[key](values, page)
    except (UserError, ValueError) as error:  # the catalogue's are ValueErrors
        return error


def _only(key, values) -> str:
    if len(values) > 1:
        raise UserError(f"{key}: given {len(values)} times; give it once")
    return values[0]


def _user(values, page):
    name = _only("user", values)
    places = {one.name: place for place, one in enumerate(page.users)}
    if name not in places:
        near = did_you_mean(name, places)
        raise UserError(f"user: {shown(name)!r} is none of the {len(places)} users of this page{near}")
    return places[name]


def _history(values, page):
    if values == [""]:
        return []
    for name in values:
        if name not in page.numbers:
            raise UserError(f"history: {shown(name)!r} is no item that can be chosen on this page; give items' own ids")
    return list(dict.fromkeys(page.numbers[name] for name in values))


def _interests(values, page):
    if len(values) != len(page.every):
        raise UserError(f"interests: given {len(values)} times; give it once for each model, {len(page.every)} here")
    return [_rows(value, len(rows)) for value, rows in zip(values, page.every, strict=True)]


def _rows(value, interest_num):
    numbers = value.split(",") if value else []
    known = {str(interest_number(row)): row for row in range(interest_num)}
    for one in numbers:
        if one not in known:
            last = interest_num + FIRST - 1
            raise UserError(f"interests: {shown(one)!r} is not a number from {FIRST} to {last}; give some, as 1,2")
    return sorted({known[one] for one in numbers})


def _variety(values, page):
    value = _only("variety", values)
    try:
        percent = float(value)
    except ValueError:
        percent = math.nan
    if not 0 <= percent <= page.most_variety:
        raise UserError(f"variety: {shown(value)!r} is not a number from 0 to {page.most_variety}")
    return percent


def _top_n(values, page):
    value = _only("top_n", values)
    if not (value.isascii() and value.isdecimal() and len(value) < 10 and 1 <= int(value) <= page.most_items):
        raise UserError(f"top_n: {shown(value)!r} is not a whole number from 1 to {page.most_items}")
    return int(value)


def _category(values, page):
    page.catalogue.check_categories(values)
    return list(dict.fromkeys(values))


READERS = {
    "user": _user, "history": _history, "interests": _interests, "variety": _variety, "top_n": _top_n,
    "category": _category,
}  # fmt: skip
KEYS = {"interests": "used", "variety": "percent"}  # of a link -> of a state
