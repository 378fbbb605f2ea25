"""Every user of a data set or of a raw log, with the whole history, some thousands at a time."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tools.common.errors import UserError
from tools.common.files import load_arrays, shown
from tools.common.ragged import Ragged, pieces
from tools.data.dataset import data_files, read_map, read_sequences
from tools.data.features import attribute
from tools.data.split_text import is_evaluation, parse_evaluation
from tools.logs.interactions import Interactions
from tools.logs.protocol import STRETCH, Prepared, events, stretches_of
from tools.logs.protocols.plan import Plan
from tools.serving import exported
from tools.serving.predictor import Predictor

PART = 1 << 14  # users that are answered before what they get is written
SPLITS = ("train", "valid", "test")  # of a user who stands in several, the last has the whole history


class People(NamedTuple):
    """Some users."""

    names: list[str]  # the user's own ids
    items: Ragged  # a row each, our ids, oldest first; a row may be empty
    unknown: np.ndarray  # [U] items of each that the model doesn't know
    profiles: list[dict] | None


class Attributes:
    """Users' attributes in a data set, as far as it has them.

    Args:
        folder: of the data set.
        names: of the features that are wanted.
    """

    def __init__(self, *, folder, names):
        path = Path(folder) / "user_attributes.npz"
        arrays = load_arrays(path, "prepare the data set again") if names and path.is_file() else {}
        self.columns = {one: attribute(arrays, one, path) for one in sorted(names) if f"{one}.names" in arrays}

    def profile(self, user) -> dict[str, list[str]]:
        """Feature -> its values; of a user whom the data set doesn't know, none."""
        return {
            name: texts[rows.take([user]).values].tolist() if 0 <= user < len(rows.lengths) else []
            for name, (texts, rows) in self.columns.items()
        }


class OfDataset:
    """The users of all splits of a data set, or of one.

    Args:
        folder: of the data set, or of a split.
        predictor: of an export whose ids are the data set's.
        export: its folder.

    Raises:
        UserError: where the items have other ids than in the export.
    """

    def __init__(self, *, folder, predictor: Predictor, export):
        folder = Path(folder)
        splits = [folder / name for name in SPLITS if (folder / name).is_dir()] or [folder]
        root = splits[0].parent
        exported.check_data(export, [root / "train", *splits])
        if read_map(root / "item_map.csv").items() - predictor.names.items():
            raise UserError(
                f"{root}: items have other ids than in the export; give the data set that it was trained on"
            )
        self.names = read_map(root / "user_map.csv")
        self.attributes = Attributes(folder=root, names=predictor.features)
        self.rows: list[tuple[np.ndarray, Ragged, np.ndarray]] = []  # users, their items, and which rows count
        later = np.zeros(0, np.int64)
        for split in reversed(splits):
            users, items = _whole(data_files(split), predictor.item_num + 1)
            self.rows.insert(0, (users, items, np.flatnonzero(~np.isin(users, later))))
            later = np.union1d(later, users)
        self.count = len(later)

    def parts(self, done: Callable[[int], bool]) -> Iterator[tuple[int, People | None]]:
        """Numbered parts; None for one that is done."""
        number = 0
        for users, items, rows in self.rows:
            for part in pieces(len(rows), PART) if len(rows) else ():
                some = rows[part]
                yield number, None if done(number) else self._people(users[some].tolist(), items.take(some))
                number += 1

    def _people(self, users, items) -> People:
        profiles = [self.attributes.profile(one) for one in users] if self.attributes.columns else None
        return People([self.names.get(one, str(one)) for one in users], items, np.zeros(len(users), np.int64), profiles)


def _whole(files, item_count) -> tuple[np.ndarray, Ragged]:
    """Users of a split and all that they did."""
    if not is_evaluation(files[0]):
        return read_sequences(files, item_count)
    found = parse_evaluation(files, item_count)
    return found.users, found.history.beside(found.target)


class OfLog:
    """The users of a raw log, in the order of their first appearance.

    Args:
        log: the log.
        predictor: of an export; items are found by the user's own ids.

    Raises:
        UserError: where none is found.
    """

    def __init__(self, *, log: Interactions, predictor: Predictor):
        self.log, self.count = log, len(log.user_names)
        ours = np.array([predictor.numbers.get(name, 0) for name in log.item_names.tolist()], np.int64)
        codes = np.flatnonzero(ours)
        if len(ours) and not len(codes):
            given, has = log.item_names[0], predictor.names[min(predictor.names)]
            raise UserError(
                f"the model knows none of the log's {len(ours)} items, the first is {shown(given)!r}; its own are such "
                f"as {shown(has)!r}: give the column of the items with --item"
            )
        self.ours = ours[codes]  # our id of each known item of the log
        self.known, self.all = np.zeros(self.count, np.int64), np.zeros(self.count, np.int64)
        for part in pieces(len(log.item), STRETCH) if len(log.item) else ():
            self.all += np.bincount(log.user[part], minlength=self.count)
            self.known += np.bincount(log.user[part][ours[log.item[part]] > 0], minlength=self.count)
        self.prepared = Prepared(np.arange(self.count), codes, self.known, Plan({}), {})

    def parts(self, done: Callable[[int], bool]) -> Iterator[tuple[int, People | None]]:
        """Numbered parts; None for one that is done."""
        number = 0
        for stretch in stretches_of(np.arange(self.count), self.known):
            cut = pieces(len(stretch), PART)
            numbers = range(number, number + len(cut))
            number += len(cut)
            if all(map(done, numbers)):
                yield from ((one, None) for one in numbers)
                continue
            (found,) = events(self.log, self.prepared, stretch)
            items = Ragged(self.ours[found.items.values - 1], found.items.offsets)
            for one, part in zip(numbers, cut, strict=True):
                users = stretch[part]
                names = self.log.user_names[users].tolist()
                people = People(names, items.take(np.arange(len(stretch))[part]), (self.all - self.known)[users], None)
                yield one, None if done(one) else people


def known_only(people: People) -> tuple[np.ndarray, Ragged, list[dict] | None]:
    """Which users have a known item, their rows and profiles."""
    rows = np.flatnonzero(people.items.lengths)
    profiles = None if people.profiles is None else [people.profiles[row] for row in rows]
    return rows, people.items.take(rows), profiles
