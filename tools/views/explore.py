"""What the explorer shows: a history's interests, what feeds each, what each retrieves, and the list made of them."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tools.common import replacing
from tools.common.errors import UserError
from tools.common.ragged import cut_histories, ragged
from tools.config.load import load_config
from tools.data.dataset import data_files, read_evaluation, read_map
from tools.data.titles import titles
from tools.evaluation.metrics import diversity
from tools.retrieval.aggregate import Diversity
from tools.retrieval.selection import Filters
from tools.serving import exported
from tools.serving.everybody import Attributes
from tools.serving.predictor import Predictor
from tools.views import left_out
from tools.views.left_out import LeftOut

MOST_USERS = 1000  # that a page lets one choose from


class User(NamedTuple):
    """A user of a data set."""

    name: str  # the user's own id
    history: list[int]  # our ids, oldest first
    target: list[int]  # what the user turned to later
    profile: dict[str, list[str]]  # feature -> its values


class Question(NamedTuple):
    """What a model is asked."""

    history: list[int]  # our ids, oldest first
    used: tuple[int, ...]  # rows of the interests that may retrieve
    variety: float  # lambda as a share of the range of the scores, 0 to 1
    top_n: int  # N
    earlier: list[int] = []  # what came before the history: left out of the lists like the history, not embedded
    target: list[int] = []
    profile: dict[str, list[str]] = {}
    category: list[str] = []  # names of those that alone may be retrieved; none: all


class Item(NamedTuple):
    """An item that was retrieved."""

    item: int  # our id
    title: str
    category: str  # "" for none
    score: float
    interest: int  # which one retrieved it, from 0
    plain: int | None  # its rank from 1 where lambda is 0; None where it is not in that list
    hit: bool  # whether it is a target


class Interest(NamedTuple):
    """One of a history's interests."""

    live: bool
    behaviours: list[tuple[str, float]]  # titles, each with its share of the interest's coupling; largest first
    items: list[Item]  # what it retrieves alone, best first


class Answer(NamedTuple):
    """What a model makes of a history."""

    interests: list[Interest]
    items: list[Item]  # the one list of the interests that are used
    retrieved: int  # distinct items among the best N of each interest that is used: the list is chosen of these
    left_out: list[LeftOut]
    unread: int  # items of the history that are older than those the model reads
    weight: float  # lambda, in the unit of the scores
    diversity: float  # share of the list's pairs with different categories; NaN without pairs or categories
    categories: list[tuple[str, int]]  # of the list, most frequent first
    target_num: int  # of all targets, in the list or not


class Explorer:
    """An export that is looked at.

    Args:
        folder: what `tools.export` wrote.
        filters: what may be retrieved at all.

    Raises:
        UserError: where a file of it is missing or damaged, or the filters leave no item.
    """

    def __init__(self, *, folder, filters: Filters | None = None):
        self.folder, self.filters = Path(folder), filters
        replacing.read_whole(folder, partial(self._open, folder))

    def _open(self, folder):
        self.predictor = Predictor(folder=folder, filters=self.filters)
        self.model = load_config(Path(folder) / exported.CONFIG).hyper_parameters.model  # its name
        item_count = self.predictor.item_num + 1
        self.titles = titles(folder, item_count, self.predictor.names)
        self.category = self.predictor.catalogue.category  # [item_count]
        self.category_names = {number: name for name, number in self.predictor.catalogue.category_numbers.items()}
        self.features = sorted(self.predictor.features)  # of users
        one = np.ones(1, np.int64)
        self.interest_num = self.predictor.embed(np.zeros((1, self.predictor.maxlen), np.int64), one)[1].shape[1]  # K

    def answer(self, question: Question) -> Answer:
        """The interests of a history, which must not be empty, and the list of those that are used."""
        predictor, top_n = self.predictor, min(question.top_n, self.predictor.item_num)
        hist_item, interests, live, coupling = self._route(question)
        used = live & np.isin(np.arange(self.interest_num), question.used)
        seen = np.array(question.earlier + question.history if predictor.filter_seen else [], np.int64)
        selection = predictor.catalogue.choose(Filters(category=tuple(question.category) or None))
        found, scores = predictor.retriever.search(interests, live, top_n + len(seen), selection)
        found, scores = found[0], scores[0]  # [K, depth]
        kept = (found > 0) & ~np.isin(found, seen)
        own = kept & (kept.cumsum(axis=1) <= top_n)
        weight = 0.0 if self.category is None or not kept.any() else question.variety * float(np.ptp(scores[kept]))
        plain, chosen = predictor.retriever.recommend_each(
            interests, used, top_n, Diversity((0.0, weight), self.category),
            seen=ragged([len(seen)], seen) if len(seen) else None, maxlen=predictor.maxlen, selection=selection,
        )  # fmt: skip
        rank = {item: place for place, item in enumerate(plain.items[0].tolist(), 1)}
        shown = self._items([one[0] for one in chosen], rank, question.target)
        listed = [one.score for one in shown]
        retrieved, missed = left_out.of_interests(found, scores, own, used[0], seen, listed, top_n)
        missed += left_out.of_filters(predictor.catalogue, selection, predictor.item_num)
        each = []
        for k, some in enumerate(own):
            columns = [found[k][some], scores[k][some], np.full(some.sum(), k)]
            items = self._items(columns, rank, question.target)
            each.append(Interest(bool(live[0, k]), self._behaviours(hist_item, coupling[0, k]), items))
        return Answer(
            interests=each,
            items=shown,
            retrieved=retrieved,
            left_out=[one for one in missed if one.number > 0],
            unread=len(question.earlier) + max(len(question.history) - predictor.maxlen, 0),
            weight=weight,
            diversity=self._diversity(chosen.items),
            categories=Counter(one.category for one in shown if one.category).most_common(),
            target_num=len(question.target),
        )

    def _route(self, question):
        """The items that are read `[T]`, interests `[1, K, D]`, live mask `[1, K]` and coupling `[1, K, T]`."""
        history = ragged([len(question.history)], np.array(question.history, np.int64))
        maxlen = self.predictor.maxlen
        hist_item, seq_len = cut_histories(history, np.zeros(1, np.int64), history.lengths, maxlen)
        profile = {name: values for name, values in question.profile.items() if name in self.features}
        return hist_item[0], *self.predictor.route(hist_item, seq_len, [profile])

    def _items(self, columns, rank, target):
        """Rows of items, 0 where a list ends early, scores and interests."""
        return [
            Item(item, self.titles[item], self._category(item), score, interest, rank.get(item), item in target)
            for item, score, interest in zip(*(one.tolist() for one in columns), strict=False)
            if item
        ]

    def _category(self, item):
        number = -1 if self.category is None else int(self.category[item])
        return "" if number < 0 else self.category_names.get(number, str(number))

    def _behaviours(self, hist_item, weights):
        """Titles and shares of one interest's coupling `[T]`; those that don't feed it are left out."""
        feeding = [place for place in np.argsort(-weights, kind="stable").tolist() if weights[place] > 0]
        return [(self.titles[hist_item[place]], float(weights[place] / weights.sum())) for place in feeding]

    def _diversity(self, items):
        if self.category is None:
            return float("nan")
        return float(diversity(items, self.category, [items.shape[1]])[0, 0])


def read_users(split, explorers: list[Explorer]) -> list[User]:
    """The first users of a split, `MOST_USERS` at most, with histories and targets by its protocol.

    Args:
        split: its folder, in a data set that the models were trained on.
        explorers: the models.

    Raises:
        UserError: where its items have other ids than the models', and as `read_evaluation`.
    """
    folder, first, files = Path(split).parent, explorers[0].predictor, data_files(split)
    for one in explorers:
        exported.check_data(one.folder, [folder / "train", split])
    if read_map(folder / "item_map.csv").items() - first.names.items():
        raise UserError(f"{split}: items have other ids than in the export; give the data set that it was trained on")
    (users, history, target), _ = read_evaluation(files, first.item_num + 1)
    names = read_map(folder / "user_map.csv")
    known = Attributes(folder=folder, names={name for one in explorers for name in one.features})
    return [
        User(
            names.get(user, str(user)),
            history.take([row]).values.tolist(),
            target.take([row]).values.tolist(),
            known.profile(user),
        )
        for row, user in enumerate(users[:MOST_USERS].tolist())
    ]
