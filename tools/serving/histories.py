"""What `tools.predict` is asked: histories and profiles, in the user's own ids, and how JSON lines say them."""

import re
import sys
from typing import NamedTuple

import numpy as np

from tools.common.errors import did_you_mean
from tools.common.files import decode, read_text, shown
from tools.common.ragged import ragged
from tools.data.split_text import parse_json
from tools.retrieval.selection import Catalogue, Filters

NO_ID = re.compile("[\0\r\n\ud800-\udfff]")  # what our maps and answers, read line by line, cannot hold
FILTERS = ("exclude", "allow", "category")
KEYS = ("user", "history", "profile", "query", *FILTERS)  # of a request
JSON_FORM = '{"user": "u1", "history": ["50", "258"]}'


class History(NamedTuple):
    """One user to recommend to."""

    user: str | int
    items: list[str]  # the user's own ids, oldest first
    profile: dict[str, list[str]] = {}  # feature -> its values; a query's words are those of the feature `query`
    filters: Filters = Filters()  # what this user's list may hold


class Fault(NamedTuple):
    """A request that cannot be answered."""

    user: str | int | None  # None where it is not known
    line: int
    error: str  # the message, with file and line


class Profiles:
    """Profiles as what a model's user tower takes, in numpy.

    Args:
        texts: feature -> its values, in the order of their numbers.
        weight: a vector of each value, those of the first feature first, `[E, D]`.
    """

    def __init__(self, *, texts, weight):
        self.weight, self.numbers = weight, number_values(texts)

    def pool(self, profiles) -> np.ndarray:
        """The mean vector of each feature's values, side by side: `[B, P]` float32.

        Values that the model doesn't know are skipped; zero where none is left.
        """
        slots = [
            [known[value] for value in profile.get(name, ()) if value in known]
            for profile in profiles
            for name, known in self.numbers.items()
        ]
        token = ragged([len(one) for one in slots], np.array([number for one in slots for number in one], np.int64))
        total = np.zeros((len(slots), self.weight.shape[1]), np.float32)
        np.add.at(total, token.rows, self.weight[token.values])
        mean = total / np.maximum(token.lengths, 1).astype(np.float32)[:, None]  # [B·F, D]
        return mean.reshape(len(profiles), -1)


def number_values(texts) -> dict[str, dict[str, int]]:
    """Feature -> value -> its number, as the model numbers them: those of all features together."""
    numbers, start = {}, 0
    for name, values in texts.items():
        numbers[name] = {value: number for number, value in enumerate(values.tolist(), start)}
        start += len(values)
    return numbers


def read_json(text, name, features=(), catalogue: Catalogue | None = None) -> list[History | Fault]:
    """Histories of JSON lines, a profile with each where it has one, and a `Fault` for each line that is none.

    Args:
        text: the lines.
        name: of the file, for messages.
        features: names that a profile may hold.
        catalogue: knows the categories that a request may choose.
    """
    users: list[History | Fault] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        row = read_object(line)
        try:
            if row is None or not is_id(row.get("user")):
                check_keys(row or {}, KEYS)
                raise ValueError(no_request(line))
            users.append(read_request(row, line, features, catalogue))
        except ValueError as error:
            user = row.get("user") if row else None
            users.append(Fault(user if is_id(user) else None, number, f"{name}:{number}: {error}"))
    return users


def read_request(row: dict, told, features, catalogue: Catalogue | None, keys=KEYS) -> History:
    """The history of a request, whose user may be missing; a `ValueError` where it is none.

    Args:
        row: of JSON.
        told: what the request is called where it is none.
        features, catalogue: see `read_json`.
        keys: that it may have.
    """
    check_keys(row, keys)
    if not (is_id(row.get("user", "")) and are_ids(row.get("history"))):
        raise ValueError(no_request(told))
    profile = read_values(row.get("profile"), "profile")
    profile |= read_query(row.get("query"))
    for feature in sorted(profile.keys() - set(features)):
        raise ValueError(_unknown(feature, features))
    filters = _read_filters(row)
    if catalogue and filters.category is not None:
        catalogue.check_categories(filters.category)
    return History(row.get("user", ""), [str(item) for item in row["history"]], profile, filters)


def check_keys(row, known):
    """A `ValueError` for the first key that a request has not."""
    for key in row:
        if key not in known:
            hint = did_you_mean(key, known) or "; remove it"
            raise ValueError(f"{shown(key)!r} is none of a request's keys, {', '.join(known)}{hint}")


def no_request(told) -> str:
    """What is said of a text that is no request."""
    return f"{told.strip()[:80]!r} is not a line like {JSON_FORM}; mend or remove it"


def _read_filters(row) -> Filters:
    if not any(name in row for name in FILTERS):
        return Filters()
    found: list[tuple[str, ...] | None] = []
    for name in FILTERS:
        given = row.get(name)
        values = [given] if name == "category" and is_id(given) else given
        if not (values is None or are_ids(values)):
            raise ValueError(f'{name}: {shown(given)!r} is not a list like ["50", "258"]; correct or remove it')
        found.append(None if values is None else tuple(map(str, values)))
    return Filters(found[0] or (), *found[1:])


def _unknown(feature, features):
    if not features:
        return f"profile: the model knows neither features of users nor queries; remove {shown(feature)!r}"
    return f"profile: the model knows {', '.join(features)}, not {shown(feature)!r}{did_you_mean(feature, features)}"


def read_object(line) -> dict | None:
    """The JSON object on a line; None where there is none, or one that says something twice."""
    try:
        row = parse_json(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def read_values(given, name) -> dict[str, list[str]]:
    """Feature -> its values, from JSON's `{"age": 24, "genres": ["a", "b"]}`; a `ValueError` for anything else."""
    if given is None:
        return {}
    pairs = given.items() if isinstance(given, dict) else [("", None)]
    lists = {key: one if isinstance(one, list) else [one] for key, one in pairs}
    if not all(map(are_ids, lists.values())):
        form = '{"age": "24", "genres": ["a", "b"]}'
        raise ValueError(f"{name}: {str(given)[:80]!r} is not like {form}; correct or remove it")
    return {key: [str(value) for value in values] for key, values in lists.items()}


def read_query(given) -> dict[str, list[str]]:
    """A query's words as a feature; none where there is no query, a `ValueError` where it is no text."""
    if not isinstance(given, str | None):
        raise ValueError(f"query: {shown(given)} is not a text; put it in quotes")
    return {} if given is None else {"query": given.split()}


def is_id(value) -> bool:
    """Whether a JSON value is a text of one line or a whole number."""
    return type(value) is int or (isinstance(value, str) and not NO_ID.search(value))


def are_ids(values) -> bool:
    """Whether a JSON value is a list of texts of one line and whole numbers."""
    return isinstance(values, list) and all(map(is_id, values))


def read_input(path) -> tuple[str, str]:
    """Text and name of a file, or of standard input."""
    if path is not None:
        return read_text(path), str(path)
    return decode(sys.stdin.buffer.read(), "<stdin>"), "<stdin>"
