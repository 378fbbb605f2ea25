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
from tools.data.dataset import read_map
from tools.data.features import QUERIES, attribute
from tools.retrieval.aggregate import PLAIN, Diversity, Recommendations
from tools.retrieval.index import store
from tools.retrieval.retriever import Retriever
from tools.serving import exported
from tools.serving.histories import Fault, History, Profiles
from tools.serving.probe import AGAIN, check_parts, check_table, check_tower
from tools.serving.requests import check_arrays, check_histories, check_length, check_profiles
from tools.serving.tower import Tower


class Predictor:
    """A folder of `tools.export`, ready to recommend, to any number of threads at once.

    Args:
        folder: the folder.

    Raises:
        UserError: where a file of it is missing or damaged.
    """

    def __init__(self, *, folder):
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
        # Our ids and the user's own, which are the same where the data set has no map.
        self.names = read_map(folder / "item_map.csv") or {item: str(item) for item in range(1, self.item_num + 1)}
        if max(self.names) > self.item_num:
            raise UserError(f"{folder}: item_map.csv has item {max(self.names)} of {self.item_num}; export it again")
        self.numbers = {name: item for item, name in self.names.items()}
        if self.vectors is None:
            self.retriever, size = Retriever.of_scores(self.item_num), self.item_num
        else:
            self.retriever, size = Retriever(index=store(config.runner).read(folder)), self.vectors.shape[1]
            check_parts(folder, self.vectors, self.retriever.index, self.names)
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

    def recommend(self, histories, top_n, profiles=None) -> Recommendations:
        """Lists of histories.

        Args:
            histories: lists of our ids, oldest first, none of them empty; the last `maxlen` are embedded, and all are
                left out of the lists where the exported configuration says `filter_seen`.
            top_n: N, cut at the size of the catalogue; with `diversity_lambda` they are chosen among N an interest.
            profiles: see `embed`.

        Raises:
            RequestError: see `embed`.
        """
        return self.recommend_rows(check_histories(histories, self.item_num), top_n, profiles)

    def recommend_rows(self, items: Ragged, top_n, profiles=None, exclude: Ragged | None = None) -> Recommendations:
        """As `recommend`, of histories that are rows already.

        Args:
            items: our ids, a row a user, none of them empty.
            top_n, profiles: see `recommend`.
            exclude: our ids that are left out as well, a row a user.
        """
        hist_item, seq_len = cut_histories(items, np.arange(len(items.lengths)), items.lengths, self.maxlen)
        interests, live = self.embed(hist_item, seq_len, profiles)
        depth = min(check_length(top_n), self.item_num)
        seen = items if self.filter_seen else None
        if exclude is not None:
            seen = exclude if seen is None else seen.beside(exclude)
        (lists,) = self.retriever.recommend_each(interests, live, depth, self.diversity, seen=seen, maxlen=self.maxlen)
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
    items: list[tuple[str, str, int]]  # the user's own id, score, interest from 1; best first
    unknown: int  # items of the history that were skipped


def answers(predictor: Predictor, users: list[History | Fault], top_n) -> Iterator[Answer | Fault]:
    """Answers to histories in their order, batch by batch; what could not be read is answered as it is."""
    numbers = predictor.numbers
    for start in range(0, len(users), predictor.batch_size):
        batch = users[start : start + predictor.batch_size]
        known = [
            [numbers[item] for item in one.items if item in numbers] if isinstance(one, History) else []
            for one in batch
        ]
        embedded = [items for items in known if items]
        profiles = [one.profile for one, items in zip(batch, known, strict=True) if items and isinstance(one, History)]
        lists = zip(*predictor.recommend(embedded, top_n, profiles), strict=True) if embedded else iter(())
        for one, items in zip(batch, known, strict=True):
            if not isinstance(one, History):
                yield one
                continue
            columns = next(lists) if items else ((), (), ())
            rows = [
                (predictor.names.get(int(item), str(item)), f"{score:.8g}", interest_number(int(interest)))
                for item, score, interest in zip(*columns, strict=True)
                if item
            ]
            yield Answer(one.user, rows, len(one.items) - len(items))


def json_text(answer: Answer | Fault) -> str:
    """One line."""
    if isinstance(answer, Fault):
        return json.dumps(answer._asdict()) + "\n"
    rows = [{"item": item, "score": float(score), "interest": interest} for item, score, interest in answer.items]
    return json.dumps({"user": answer.user, "items": rows, "unknown": answer.unknown}) + "\n"


def csv_text(answer: Answer | Fault) -> str:
    """One line a recommended item; for what could not be read one with `error` for a rank and the message after it."""
    if isinstance(answer, Fault):
        rows: list[tuple] = [(answer.user, "error", answer.error, "", "")]
    else:
        rows = [(answer.user, rank, *row) for rank, row in enumerate(answer.items, 1)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
