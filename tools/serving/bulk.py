"""Lists and interests of every user, written to files."""

from pathlib import Path

import numpy as np
import polars

from tools.common import progress
from tools.common.errors import UserError
from tools.common.files import atomic_path
from tools.common.interests import interest_number
from tools.common.ragged import cut_histories, pieces
from tools.common.written import save_array
from tools.serving.everybody import People, known_only
from tools.serving.parts import ARRAYS, TABLES, Parts
from tools.serving.predictor import Predictor

HEADER = "user,rank,item,score,interest\n"
DIGITS = 8  # of a score, as tools.predict has it


class Written:
    """A file that is written part by part."""

    parts: Parts

    @property
    def path(self) -> Path:
        """Of the file."""
        return self.parts.path

    def open(self):
        """Take over the parts of the same run, or begin anew."""
        self.parts.open()

    def has(self, number) -> bool:
        """Whether a part is written."""
        return self.parts.has(number)

    def without(self) -> int:
        """How many users get nothing."""
        return self.parts.without()


class Lists(Written):
    """The file of lists.

    Args:
        predictor: the model.
        path: .csv and .parquet have a row an item, .jsonl a line a user.
        top_n: N.
        settings: see `Parts`.
    """

    def __init__(self, *, predictor: Predictor, path, top_n, settings):
        self.predictor, self.top_n = predictor, top_n
        self.parts = Parts(path=path, settings=settings | {"top_n": top_n}, kinds=TABLES)
        self.names = polars.Series(predictor.spelled)

    def write(self, number, people: People):
        """Write the part of some users."""
        rows, items, profiles = known_only(people)
        frames = [
            _frame(np.zeros((0, 1), np.int64), np.zeros((0, 1), np.float32), np.zeros((0, 1), np.int64), rows[:0])
        ]
        for part in pieces(len(rows), self.predictor.batch_size) if len(rows) else ():
            some = None if profiles is None else profiles[part]
            lists = self.predictor.recommend_rows(items.take(np.arange(len(rows))[part]), self.top_n, some)
            frames.append(_frame(*lists, rows[part]))
        found = polars.concat(frames)
        users = polars.Series(people.names, dtype=polars.String)
        self.parts.note(number, len(users) - found["row"].n_unique())
        listed = found.with_columns(item=self.names.gather(found["item"]))
        if self.parts.kind == ".jsonl":
            self.parts.write_table(number, _lines(users, listed, people.unknown))
        else:
            table = listed.with_columns(user=users.gather(found["row"]))
            self.parts.write_table(number, table.select("user", "rank", "item", "score", "interest"))

    def join(self):
        """Put the file together."""
        self.parts.join(HEADER)


def _frame(items, scores, interest, rows) -> polars.DataFrame:
    """A row an item of lists `[U, N]` of the users in some rows."""
    user, place = np.nonzero(items)
    score = scores[user, place].astype(np.float64)
    size = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.abs(score), out=np.zeros_like(score), where=score != 0)))
    columns = {"row": rows[user], "rank": place + 1, "item": items[user, place], "score": np.round(score * size) / size}
    return polars.DataFrame(columns | {"interest": interest_number(interest[user, place].astype(np.int64))})


def _lines(users, listed, unknown) -> polars.DataFrame:
    """A row a user, those without a list too."""
    rows = listed.group_by("row", maintain_order=True).agg(items=polars.struct("item", "score", "interest"))
    everyone = polars.DataFrame({"row": np.arange(len(users)), "user": users, "unknown": unknown})
    joined = everyone.join(rows, on="row", how="left", maintain_order="left")
    return joined.select("user", polars.col("items").fill_null([]), "unknown")


class Interests(Written):
    """The file of interests.

    Args:
        predictor: the model.
        path: .parquet has a row a live interest: user, interest, vector; .npy is `[U, K, D]`, dead interests zero, with
            the users' own ids in the same order in NAME.users.csv.
        settings: see `Parts`.
    """

    def __init__(self, *, predictor: Predictor, path, settings):
        self.predictor = predictor
        _vectors(predictor, "--interests")
        self.parts = Parts(path=path, settings=settings, kinds=ARRAYS)
        self.ids = Parts(path=Path(path).with_suffix(".users.csv"), settings=settings, kinds=(".csv",))
        one = np.ones(1, np.int64)
        self.shape = predictor.embed(np.zeros((1, predictor.maxlen), np.int64), one)[0].shape[1:]  # K, D

    def open(self):
        """Take over the parts of the same run, or begin anew."""
        super().open()
        if self.parts.kind == ".npy":
            self.ids.open()

    def write(self, number, people: People):
        """Write the part of some users."""
        rows, items, profiles = known_only(people)
        vectors = np.zeros((len(people.names), *self.shape), np.float32)  # [U, K, D]
        mask = np.zeros(vectors.shape[:2], bool)
        for part in pieces(len(rows), self.predictor.batch_size) if len(rows) else ():
            some = np.arange(len(rows))[part]
            history = cut_histories(items, some, items.lengths[some], self.predictor.maxlen)
            interests, live = self.predictor.embed(*history, None if profiles is None else profiles[part])
            vectors[rows[part]], mask[rows[part]] = interests * live[..., None], live
        users = polars.Series(people.names, dtype=polars.String)
        self.parts.note(number, int((~mask.any(axis=1)).sum()))
        if self.parts.kind == ".npy":
            self.ids.write_table(number, polars.DataFrame({"user": users}))
            self.parts.write_array(number, vectors)
        else:
            user, interest = np.nonzero(mask)
            columns = {
                "user": users.gather(user),
                "interest": interest_number(interest),
                "vector": _lists_of(vectors[mask]),
            }
            self.parts.write_table(number, polars.DataFrame(columns))

    def join(self):
        """Put the files together."""
        if self.parts.kind == ".npy":
            self.ids.join("user\n")
        self.parts.join()


def _lists_of(vectors) -> polars.Series:
    """Vectors `[n, D]` as a column of lists of float32."""
    return polars.Series(vectors, dtype=polars.Array(polars.Float32, vectors.shape[1])).arr.to_list()


def _vectors(predictor, asked):
    """Item vectors `[item_count, D]`; a `UserError` for a model without."""
    if predictor.vectors is None:
        raise UserError(f"{asked}: {predictor.model} scores items and has no vectors; leave it out")
    return predictor.vectors


def write_items(path, predictor: Predictor):
    """Write item vectors: .parquet has item, vector; .npy is `[V, D]`, with the items' own ids in NAME.items.csv."""
    path, vectors = Path(path), np.asarray(_vectors(predictor, "--items")[1:], np.float32)
    names = polars.DataFrame({"item": predictor.spelled[1:]})
    with progress.stage(f"write {path}"), atomic_path(path) as temporary:
        if path.suffix.lower() == ".parquet":
            names.with_columns(vector=_lists_of(vectors)).write_parquet(temporary)
            return
        save_array(temporary, vectors)
        with atomic_path(path.with_suffix(".items.csv")) as ids:
            names.write_csv(ids)
