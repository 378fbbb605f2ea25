"""An export that recommends: histories to lists, in the user's own ids."""

import csv
import io
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tools.common import replacing
from tools.common.errors import UserError
from tools.common.files import load_array, load_arrays, map_array
from tools.common.interests import interest_number
from tools.common.ragged import Ragged, cut_histories
from tools.data.features import QUERIES, attribute
from tools.retrieval.aggregate import PLAIN, Diversity, Recommendations, empty_lists
from tools.retrieval.index import store
from tools.retrieval.retriever import Retriever
from tools.retrieval.selection import Catalogue, Filters, Selection
from tools.serving import exported
from tools.serving.histories import Fault, History, Profiles
from tools.serving.probe import AGAIN, check_parts, check_table, check_tower
from tools.serving.requests import check_arrays, check_excluded, check_histories, check_length, check_profiles
from tools.serving.tower import Tower

TENS = np.array([10**power for power in range(23)], np.float64)  # exact; NumPy's power is not on each processor
Chosen = Selection | list[Selection | None] | None  # for all histories, or for each; None: no filter of its own


class Predictor:
    """A folder of `tools.export`, ready to recommend, to any number of threads at once.

    Args:
        folder: the folder.
        filters: what every list may hold.

    Raises:
        UserError: where a file of it is missing or damaged, or the filters leave no item.
    """

    def __init__(self, *, folder, filters: Filters | None = None):
        self.filters = filters
        replacing.read_whole(folder, partial(self._open, Path(folder)))

    def _open(self, folder):
        config, _ = exported.read(folder)
        self.folder, self.model = folder, config.hyper_parameters.model  # its name
        self.maxlen = config.hyper_parameters.maxlen
        self.filter_seen, self.batch_size = config.runner.filter_seen, config.runner.infer_batch_size
        self.tower = Tower(folder=folder)
        self.profiles = _open_profiles(folder, config)
        self.features = tuple(self.profiles.numbers) if self.profiles else ()  # that a profile may hold
        self.item_num: int = config.hyper_parameters.item_count - 1  # type: ignore[operator]  # V, without padding
        self.vectors = item_vectors(folder, self.item_num + 1) if exported.has_vectors(folder) else None
        first = config.runner.diversity_lambda[:1]
        self.diversity = Diversity.open(folder, first, self.item_num + 1) if first else PLAIN
        self.catalogue = Catalogue(folder=folder, item_count=self.item_num + 1, filters=self.filters)
        self.names, self.numbers = self.catalogue.names, self.catalogue.numbers  # our ids -> the user's own, and back
        self.spelled = self.catalogue.spelled
        if max(self.names) > self.item_num:
            raise UserError(f"{folder}: item_map.csv has item {max(self.names)} of {self.item_num}; export it again")
        if self.vectors is None:
            self.retriever, size = Retriever.of_scores(self.item_num), self.item_num
        else:
            self.retriever = Retriever(index=store(config.runner).read(folder), vectors=self.vectors)
            check_parts(folder, self.vectors, self.retriever.index, self.names)
            size = self.vectors.shape[1]
        check_tower(folder, self.route, self.maxlen, size)

    def embed(self, hist_item, seq_len, profiles=None) -> tuple[np.ndarray, np.ndarray]:
        """Interests `[B, K, D]` and live mask `[B, K]`.

        Args:
            hist_item, seq_len: right-padded histories and their lengths, whole numbers `[B, T]` and `[B]`.
            profiles: for a model with user features, those of each user, see `Profiles.pool`; None: nothing is known.

        Raises:
            RequestError: a `UserError` and `ValueError`, for an id, length, shape or profile that can't be.
        """
        interests, live, _ = self.route(hist_item, seq_len, profiles)
        return interests, live

    def route(self, hist_item, seq_len, profiles=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `embed`, and the coupling `[B, K, T]`: how much of each behaviour goes into each interest."""
        hist_item, seq_len = check_arrays(hist_item, seq_len, self.maxlen, self.item_num)
        profiles = check_profiles(profiles, len(hist_item), self.features)
        inputs = {"hist_item": hist_item, "seq_len": seq_len}
        if self.profiles:
            inputs["context_eb"] = self.profiles.pool(profiles)  # [B, P]
        interests, live, coupling = self.tower.run(inputs)
        return interests, live, coupling

    def recommend(self, histories, top_n, profiles=None, *, exclude=None, selection: Chosen = None) -> Recommendations:
        """Lists of histories.

        Args:
            histories: lists of our ids, oldest first, none of them empty; the last `maxlen` are embedded, and all are
                left out of the lists where the exported configuration says `filter_seen`.
            top_n: N, cut at the size of the catalogue; with `diversity_lambda` they are chosen among N an interest.
            profiles: see `embed`.
            exclude: our ids that are left out besides, a list a history; None: none.
            selection: the items that the lists may hold, one for all or a list with one a history, as
                `catalogue.select` gives them; None: those that pass the predictor's own filters.

        Raises:
            RequestError: see `embed`.
        """
        rows = check_histories(histories, self.item_num)
        excluded = None
        if exclude is not None and any(map(np.size, exclude)):
            excluded = check_excluded(exclude, len(histories), self.item_num)
        return self.recommend_rows(rows, top_n, profiles, exclude=excluded, selection=selection)

    def recommend_rows(
        self, items: Ragged, top_n, profiles=None, *, exclude: Ragged | None = None, selection: Chosen = None
    ) -> Recommendations:
        """As `recommend`, of histories that are rows of known ids already, at least one a row; and so is `exclude`."""
        users = len(items.lengths)
        hist_item, seq_len = cut_histories(items, np.arange(users), items.lengths, self.maxlen)
        interests, live = self.embed(hist_item, seq_len, profiles)
        depth = min(check_length(top_n), self.item_num)
        seen = items if self.filter_seen else None
        if exclude is not None:
            seen = exclude if seen is None else seen.beside(exclude)
        if not isinstance(selection, list):
            return self._retrieve(interests, live, depth, seen, selection)
        lists = empty_lists(users, depth)
        for one in {id(one): one for one in selection}.values():
            rows = np.flatnonzero([other is one for other in selection])
            part = self._retrieve(interests[rows], live[rows], depth, None if seen is None else seen.take(rows), one)
            for whole, found in zip(lists, part, strict=True):
                whole[rows] = found
        return lists

    def _retrieve(self, interests, live, depth, seen, selection) -> Recommendations:
        (lists,) = self.retriever.recommend_each(
            interests, live, depth, self.diversity, seen=seen, maxlen=self.maxlen,
            selection=selection or self.catalogue.base,
        )  # fmt: skip
        return lists


def item_vectors(folder, item_count) -> np.ndarray:
    """The item vectors of an export, in the file."""
    path = folder / "item_vectors.npy"
    vectors = map_array(path, AGAIN)
    check_table(path, vectors, item_count)
    return vectors


def _open_profiles(folder, config):
    """None for a model without user features."""
    hyper, texts = config.hyper_parameters, {}
    if hyper.user_features:
        path = folder / "user_attributes.npz"
        values = load_arrays(path, AGAIN)
        texts = {name: attribute(values, name, path)[0] for name in hyper.user_features}
    if hyper.query:
        path = folder / "train" / QUERIES
        texts["query"], _ = attribute(load_arrays(path, AGAIN), "query", path)
    if not texts:
        return None
    weight = load_array(folder / "user_features.npy", AGAIN)
    check_table(folder / "user_features.npy", weight, sum(map(len, texts.values())))
    return Profiles(texts=texts, weight=weight)


class Answer(NamedTuple):
    """What one user gets."""

    user: str | int
    items: list[tuple[int, str, float, int]]  # our id, the user's own, score, interest from 1; best first
    unknown: int  # items of the history that were skipped


def answers(predictor: Predictor, users: list[History | Fault], top_n) -> Iterator[Answer | Fault]:
    """Answers to histories in their order, batch by batch; what could not be read is answered as it is."""
    for start in range(0, len(users), predictor.batch_size):
        batch = users[start : start + predictor.batch_size]
        found = iter(answer_all(predictor, [one for one in batch if isinstance(one, History)], top_n))
        yield from (next(found) if isinstance(one, History) else one for one in batch)


def answer_all(predictor: Predictor, users: list[History], top_n) -> list[Answer]:
    """Answers to one batch of histories."""
    catalogue = predictor.catalogue
    known = [catalogue.rows(one.items) for one in users]
    embedded = [(one, items) for one, items in zip(users, known, strict=True) if items]
    lists: Iterator = iter(())
    if embedded:
        filters = [one.filters for one, _ in embedded]
        chosen = [catalogue.choose(one) for one in filters]
        found = predictor.recommend(
            [items for _, items in embedded], top_n, [one.profile for one, _ in embedded],
            exclude=[catalogue.rows(one.exclude) for one in filters], selection=chosen if any(chosen) else None,
        )  # fmt: skip
        found = found._replace(scores=eight_digits(found.scores), interest=interest_number(found.interest))
        lists = zip(*(one.tolist() for one in found), strict=True)
    return [
        Answer(one.user, _named(predictor.spelled, *next(lists)) if items else [], len(one.items) - len(items))
        for one, items in zip(users, known, strict=True)
    ]


def _named(spelled, items, scores, interests) -> list[tuple[int, str, float, int]]:
    """A list as people read it, ended where there are no more items."""
    return [
        (item, spelled[item], score, interest)
        for item, score, interest in zip(items, scores, interests, strict=True)
        if item
    ]


def eight_digits(scores) -> np.ndarray:
    """Scores of float32 as what eight digits say of them, float64: `float(f"{score:.8g}")` of each.

    Below 1e-15 there are fewer digits, from 1e30 on more.
    """
    scores = np.asarray(scores, np.float64)
    digits = 7 - np.floor(np.log10(np.clip(np.abs(scores), 1e-15, 9e29))).astype(int)  # after the point
    unit = TENS[np.abs(digits)]
    return np.where(digits < 0, np.rint(scores / unit) * unit, np.rint(scores * unit) / unit)


def json_text(answer: Answer | Fault) -> str:
    """One line."""
    if isinstance(answer, Fault):
        return json.dumps(answer._asdict()) + "\n"
    rows = [{"item": item, "score": score, "interest": interest} for _, item, score, interest in answer.items]
    return json.dumps({"user": answer.user, "items": rows, "unknown": answer.unknown}) + "\n"


def csv_text(answer: Answer | Fault) -> str:
    """One line a recommended item; for what could not be read one with `error` for a rank and the message after it."""
    if isinstance(answer, Fault):
        rows: list[tuple] = [(answer.user, "error", answer.error, "", "")]
    else:
        rows = [
            (answer.user, rank, item, f"{score:.8g}", interest)
            for rank, (_, item, score, interest) in enumerate(answer.items, 1)
        ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
