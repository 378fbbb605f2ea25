"""What a service answers, without HTTP: bodies of requests to bodies of replies."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from tools.common import checksums, replacing
from tools.common.errors import UserError
from tools.common.files import decode, digest, shown
from tools.common.interests import interest_number
from tools.common.ragged import cut_histories, pieces, ragged
from tools.common.regular import read_regular
from tools.data.split_text import parse_json
from tools.data.titles import titles
from tools.retrieval.selection import Filters
from tools.serving.histories import KEYS, History, check_keys, no_request, read_request
from tools.serving.limits import LONGEST_LIST, MOST_HISTORIES, TOP_N
from tools.serving.popular import Popular
from tools.serving.predictor import Predictor, answer_all, eight_digits
from tools.serving.requests import check_length
from tools.serving.similar import Similar

EMBEDDED = ("user", "history", "profile", "query")  # keys that matter for interests


class Reply(NamedTuple):
    """An answer, and what there is to count in it."""

    status: int  # of HTTP
    body: bytes  # JSON
    unknown: int = 0  # items of histories that the model doesn't know
    empty: int = 0  # lists without an item
    popular: int = 0  # lists of the most popular items


class Asked(NamedTuple):
    """A request that can be answered."""

    users: list[tuple[History, int]]  # with N each
    many: bool  # whether it was an array, and so is the answer


class Service:
    """An export that answers bytes of JSON.

    Args:
        folder: of the export.
        filters: what every list may hold.

    Raises:
        UserError: where a file of it is missing or damaged.
    """

    def __init__(self, *, folder, filters: Filters | None = None):
        self.filters = filters
        replacing.read_whole(folder, partial(self._open, Path(folder)))

    def _open(self, folder):
        self.predictor = predictor = Predictor(folder=folder, filters=self.filters)
        self.titles = titles(folder, predictor.item_num + 1, predictor.names)
        self.popular = Popular(folder=folder, item_count=predictor.item_num + 1)
        self.similar_items = None if predictor.vectors is None else Similar(vectors=predictor.vectors)
        sums = read_regular(folder / checksums.NAME, checksums.LARGEST)
        self.told = {"export": digest(sums), "items": predictor.item_num, "user_features": predictor.features}

    def recommend(self, bodies) -> list[Reply]:
        """Lists: of each body a request or an array of them, answered together."""
        asked = [self._read(body, (*KEYS, "top_n")) for body in bodies]
        users = [one for each in asked if isinstance(each, Asked) for one in each.users]
        found: list[dict] = [{} for _ in users]
        for top_n in {top_n for _, top_n in users}:  # lists of one length are made together
            places = np.array([place for place, (_, one) in enumerate(users) if one == top_n])
            for part in pieces(len(places), self.predictor.batch_size):
                histories = [users[place][0] for place in places[part]]
                each = answer_all(self.predictor, histories, top_n)
                for place, history, answer in zip(places[part], histories, each, strict=True):
                    found[place] = self._list(history, answer, top_n)
        return _replies(asked, found)

    def _list(self, history, answer, top_n) -> dict:
        known = answer.unknown < len(history.items)
        items = self._items(answer.items) if known else self._most_popular(history.filters, top_n)
        return {"user": _user(history), "items": items, "unknown": answer.unknown, "popular": not known}

    def _items(self, rows) -> list[dict]:
        return [
            {"item": item, "score": score, "interest": interest, "title": self.titles[row]}
            for row, item, score, interest in rows
        ]

    def _most_popular(self, filters, top_n) -> list[dict]:
        catalogue = self.predictor.catalogue
        items = self.popular.best(top_n, catalogue.rows(filters.exclude), catalogue.choose(filters))
        return [
            {
                "item": catalogue.spelled[item], "score": float(self.popular.counts[item]),
                "interest": None, "title": self.titles[item],
            }
            for item in items
        ]  # fmt: skip

    def embed(self, bodies) -> list[Reply]:
        """Live interests of histories; none where no item is known."""
        if self.similar_items is None:
            return [self._no_vectors()] * len(bodies)
        asked = [self._read(body, EMBEDDED) for body in bodies]
        users = [one for each in asked if isinstance(each, Asked) for one, _ in each.users]
        known = [self.predictor.catalogue.rows(one.items) for one in users]
        embedded = self._interests([(one, rows) for one, rows in zip(users, known, strict=True) if rows])
        found = [
            {"user": _user(one), "interests": next(embedded) if rows else [], "unknown": len(one.items) - len(rows)}
            for one, rows in zip(users, known, strict=True)
        ]
        return _replies(asked, found)

    def _interests(self, users) -> Iterator[list[dict]]:
        """Live interests of histories and their items in our ids, batch by batch."""
        for part in pieces(len(users), self.predictor.batch_size) if users else ():
            items = ragged([len(rows) for _, rows in users[part]], np.concatenate([rows for _, rows in users[part]]))
            history = cut_histories(items, np.arange(len(items.lengths)), items.lengths, self.predictor.maxlen)
            for interests, live in zip(
                *self.predictor.embed(*history, [one.profile for one, _ in users[part]]), strict=True
            ):
                yield [
                    {"interest": interest_number(k), "vector": interests[k].tolist()}
                    for k in np.flatnonzero(live).tolist()
                ]

    def similar(self, bodies) -> list[Reply]:
        """Items nearest to an item: of each body `{"item": …, "top_n": …}`."""
        return [self._similar(**parse_json(body.decode())) for body in bodies]

    def _similar(self, item, top_n) -> Reply:
        names, numbers = self.predictor.spelled, self.predictor.numbers
        if self.similar_items is None:
            return self._no_vectors()
        if item not in numbers:
            return fault(404, f"item {shown(item)!r} is unknown; give one of the export's items")
        found, cosines = self.similar_items.nearest(numbers[item], top_n)
        rows = [
            {"item": names[one], "score": score, "title": self.titles[one]}
            for one, score in zip(found, eight_digits(cosines).tolist(), strict=True)
        ]
        return Reply(200, _json({"item": item, "title": self.titles[numbers[item]], "items": rows}))

    def _no_vectors(self) -> Reply:
        return fault(400, f"{self.predictor.model} scores items and has no vectors; ask for /recommend")

    def _read(self, body, keys) -> Asked | Reply:
        """What a body asks, or the reply that says why it is no request."""
        try:
            text = decode(body, "the body")
            try:
                given = parse_json(text)
            except ValueError:
                raise ValueError(no_request(text)) from None
            many = isinstance(given, list)
            rows = given if many else [given]
            if not 1 <= len(rows) <= MOST_HISTORIES:
                raise ValueError(f"{len(rows)} histories in one request; give from 1 to {MOST_HISTORIES}")
            return Asked(
                [self._read_row(row, text, keys, f"[{place}]: " if many else "") for place, row in enumerate(rows)],
                many,
            )
        except (ValueError, UserError) as error:
            return fault(400, str(error))

    def _read_row(self, row, text, keys, where) -> tuple[History, int]:
        try:
            if not isinstance(row, dict):
                raise ValueError(no_request(text))
            check_keys(row, keys)
            top_n = length(row.pop("top_n", TOP_N))
            return read_request(row, text, self.predictor.features, self.predictor.catalogue, keys), top_n
        except (ValueError, UserError) as error:
            raise ValueError(f"{where}{error}") from None


def _user(history):
    return None if history.user == "" else history.user


def length(top_n) -> int:
    """A list's length that a request may have; a `ValueError` for any other."""
    if check_length(top_n) > LONGEST_LIST:
        raise ValueError(f"top_n: {shown(top_n)} is out of range; it must be from 1 to {LONGEST_LIST}")
    return top_n


def fault(status, message) -> Reply:
    """A reply that says what is wrong."""
    return Reply(status, _json({"error": message}))


def _replies(asked, found) -> list[Reply]:
    """The answers of all users, put together request by request."""
    replies, rest = [], iter(found)
    for one in asked:
        if isinstance(one, Reply):
            replies.append(one)
            continue
        own = [next(rest) for _ in one.users]
        unknown, popular = (sum(each.get(name, 0) for each in own) for name in ("unknown", "popular"))
        empty = sum(not each["items"] for each in own if "items" in each)
        replies.append(Reply(200, _json(own if one.many else own[0]), unknown, empty, popular))
    return replies


def _json(value) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # a user's number of more than 64 bits, say
        return json.dumps(value).encode()
