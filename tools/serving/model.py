"""A trained model as Python asks it: histories and items in the user's own ids, answers as frames."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import polars

from tools.common.errors import UserError
from tools.common.interests import interest_number
from tools.common.ragged import Ragged, cut_histories, pieces, ragged
from tools.data import titles
from tools.serving.frames import Asked, ItemIds, id_texts, is_frame, like, read_histories
from tools.serving.histories import read_values
from tools.serving.predictor import Predictor
from tools.serving.requests import RequestError, check_length
from tools.serving.similar import Similar

UNSAID: Any = object()


class Served:
    """What an opened export answers.

    Args:
        columns: what the log called user, item and time, which frames of histories may call them, too.
        pandas: whether frames are of pandas where none came in.
    """

    def __init__(self, *, columns: Mapping[str, str | None], pandas=False):
        self.columns, self.blank = columns, type("pandas", (), {"iloc": None})() if pandas else None

    @property
    def predictor(self) -> Predictor:
        """The opened export."""
        raise NotImplementedError

    @cached_property
    def catalogue(self) -> ItemIds:
        """The model's items."""
        return ItemIds(self.predictor.names, self.predictor.item_num)

    @cached_property
    def titles(self) -> polars.Series | None:
        """What each item is called, where the data set says it."""
        if not (self.predictor.folder / titles.NAME).is_file():
            return None
        return polars.Series(
            "title", titles.titles(self.predictor.folder, self.predictor.item_num + 1, self.predictor.names)
        )

    def recommend(
        self, histories, *, top_n=10, exclude=None, profiles=None, user=None, item=None, time: str | None = UNSAID
    ) -> Any:
        """Lists of items, a row an item: `user, rank, item, score, interest`, and `title` where items have one.

        Items of the history are left out where the model was trained with `filter_seen`. Items that the model doesn't
        know are skipped with a warning; so are users of whom it knows nothing.

        Args:
            histories: `{user: [item, …]}`, a list of lists, oldest first, or a frame with a row an event.
            top_n: N.
            exclude: items that are not recommended: a list for all users, or `{user: [item, …]}`.
            profiles: `{user: {feature: value}}`, for a model with user features.
            user, item: columns of the frame; None: as in the log, else `user` and `item`.
            time: column by which a history is ordered; None: the rows are in order. It must be said where the frame has
                more columns than two and not the log's own.

        Returns:
            A frame of the kind that came in, of Polars where none did. Whole numbers come out as such where they came
            in as such.

        Raises:
            RequestError: for what is no id or column, and histories of which the model knows nothing.
        """
        user, item = user or self.columns.get("user") or "user", item or self.columns.get("item") or "item"
        if is_frame(histories) and time is UNSAID:
            time = self._time(histories)
        asked = read_histories(histories, self.catalogue, user=user, item=item, time=None if time is UNSAID else time)
        place, rank, found, scores, interest = self._lists(asked, top_n, exclude, profiles)
        columns = [asked.users.gather(place).alias("user"), polars.Series("rank", rank + 1)]
        frame = self._frame(columns, found, scores, asked.whole, [polars.Series("interest", interest_number(interest))])
        return like(histories if is_frame(histories) else self.blank, frame)

    def _lists(self, asked, top_n, exclude, profiles) -> Iterator[np.ndarray]:
        """Of each item listed the place of its user, its own in the list, our id, score and interest."""
        rows = np.flatnonzero(asked.items.lengths)
        left_out = self._exclude(exclude, asked.users)
        given = _by_user(profiles or {}, asked.users)
        parts = []
        for part in pieces(len(rows), self.predictor.batch_size):
            some = rows[part]
            told = [read_values(given.get(int(row)), "profiles") for row in some] if given else None
            lists = self.predictor.recommend_rows(asked.items.take(some), top_n, told, exclude=left_out(some))
            row, rank = np.nonzero(lists.items)
            parts.append((some[row], rank, *(one[row, rank] for one in lists)))
        return map(np.concatenate, zip(*parts, strict=True))

    def _time(self, frame):
        """The column of times that needs no word: the log's own; none where there is nothing but user and item."""
        has = list(frame.collect_schema() if isinstance(frame, polars.LazyFrame) else frame.columns)
        known = self.columns.get("time")
        if known in has:
            return known
        if len(has) > 2 and ("time" not in self.columns or known):
            told = f"the frame has {', '.join(map(str, has))}: is one of them the time, by which histories are ordered?"
            raise RequestError(f"{told} Give time='NAME', or time=None where the rows are in order")
        return None

    def _exclude(self, exclude, users) -> Callable[[np.ndarray], Ragged | None]:
        """What is left out of the lists of some users, our ids; what the model doesn't know is in no list anyway.

        Raises:
            RequestError: where the model knows none at all, so that their type or spelling must be another.
        """
        if exclude is None:
            return lambda rows: None
        if isinstance(exclude, Mapping):
            given = _by_user(exclude, users)
            each = [list(given.get(row, ())) for row in range(len(users))]
        else:
            each = [list(exclude)]
        whole = [one for items in each for one in items]
        found = self.catalogue.find(whole, "exclude") if whole else np.zeros(0, np.int64)
        if len(whole) and not found.any():
            raise RequestError(
                f"exclude: the model knows none of these items, the first is {whole[0]!r}; check the ids"
            )
        left_out = ragged([len(one) for one in each], found)
        return left_out.take if isinstance(exclude, Mapping) else lambda rows: left_out.take(np.zeros_like(rows))

    def _frame(self, first, items, scores, whole, more=()) -> polars.DataFrame:
        columns = [*first, self.catalogue.spell(items, whole=whole), polars.Series("score", scores), *more]
        return polars.DataFrame([*columns, self.titles.gather(items)] if self.titles is not None else columns)

    def similar_items(self, item, *, top_n=10) -> Any:
        """The items whose vectors have the largest cosine with that of an item: `item, score`, and `title`.

        Raises:
            RequestError: for an item that the model doesn't know.
            UserError: for a model without item vectors.
        """
        vectors = self.predictor.vectors
        if vectors is None:
            name = self.predictor.model
            raise UserError(
                f"{name} scores items and has no vectors of them; recommend([[{item!r}]]) scores by one item"
            )
        (number,) = self.catalogue.find([item])
        if not number:
            raise RequestError(f"{item!r} is no item of the model; ids are such as {self.catalogue.names[1]!r}")
        found, cosines = map(np.array, self._similar.nearest(int(number), check_length(top_n)))
        return like(self.blank, self._frame([], found, cosines, not isinstance(item, str)))

    @cached_property
    def _similar(self) -> Similar:
        return Similar(vectors=self.predictor.vectors)

    def route(self, history, profile=None) -> tuple[Asked, np.ndarray, np.ndarray, np.ndarray]:
        """One history, read, and its interests `[K, D]`, live mask `[K]` and coupling `[K, T]`, T its length."""
        asked = read_histories([list(history)], self.catalogue, user="user", item="item", time=None)
        hist_item, seq_len = cut_histories(asked.items, np.zeros(1, int), asked.items.lengths, self.predictor.maxlen)
        told = [read_values(profile, "profile")] if profile else None
        vectors, live, coupling = (one[0] for one in self.predictor.route(hist_item, seq_len, told))
        kept = asked._replace(items=ragged(seq_len, hist_item[0, : seq_len[0]]))
        return kept, vectors, live, coupling[:, : seq_len[0]]


def _by_user(given: Mapping, users) -> dict[int, Any]:
    """Place of a user among those who are asked for -> what is given; the same id may be a text or a number."""
    if not isinstance(given, Mapping):
        raise RequestError("give a table of users, {user: …}")
    place = {name: row for row, name in enumerate(id_texts(users, "users").to_list())}
    texts: Iterable[str] = id_texts(list(given), "users").to_list() if given else ()
    return {place[name]: one for name, one in zip(texts, given.values(), strict=True) if name in place}
