"""What the data set that is gone on from did with its events: none that it trained on may become a target."""

from functools import cached_property

import numpy as np

from tools.common.ragged import Ragged, ragged
from tools.data.dataset import Sequences, data_files, read_evaluation, read_sequences
from tools.logs.protocols.plan import Events


class Earlier:
    """The events of a data set whose users and items keep their numbers.

    Args:
        folder: of the data set.
        meta: its meta.yaml.
        item_count: rows of its item table.
    """

    def __init__(self, folder, meta, item_count):
        self.folder, self.meta, self.item_count = folder, meta, item_count
        self.train = read_sequences(data_files(folder / "train"), item_count)

    @cached_property
    def _targets(self) -> dict[str, Sequences]:
        found = {}
        for name in self.meta["splits"]:
            if name != "train":
                users, _, target = read_evaluation(data_files(self.folder / name), self.item_count)[0]
                found[name] = Sequences(users, target)
        return found

    def trained(self, events: Events) -> np.ndarray:
        """Whether each event was trained on, bool `[E]`: where n events of a user and item were, the first n of now.

        So neither the clock nor the unit of the log need be the same.
        """
        (keys, others), number = _keys(events, _of_users(self.train, events.users)), np.empty(len(events.times), int)
        order = np.argsort(keys, kind="stable")
        start = np.searchsorted(keys[order], keys[order])
        number[order] = np.arange(len(order)) - start  # of an event among those of its user and item, from 0
        others.sort()
        return number < np.searchsorted(others, keys, "right") - np.searchsorted(others, keys)

    def parts(self, events: Events) -> np.ndarray:
        """Where the item of each event stands for its user, `[E]`: 0, 1 or 2 for training, valid and test, -1: new."""
        part = np.full(len(events.times), -1)
        for number, name in ((2, "test"), (1, "valid"), (0, "train")):
            split = self.train if name == "train" else self._targets.get(name)
            if split is not None:
                keys, others = _keys(events, _of_users(split, events.users))
                part[np.isin(keys, others)] = number
        return part


def _of_users(split: Sequences, users) -> Ragged:
    """The items of some users in a split whose users rise; none of those whom it has not."""
    if not len(split.users):
        return ragged(np.zeros(len(users), np.int64), np.zeros(0, np.int64))
    place = np.minimum(np.searchsorted(split.users, users), len(split.users) - 1)
    lengths = np.where(split.users[place] == users, split.items.lengths[place], 0)
    return split.items.spans(split.items.offsets[place], lengths)


def _keys(events, others):
    """A number for each pair of user and item: of events, and of the items of the same users."""
    stride = 1 + max(int(events.items.values.max(initial=0)), int(others.values.max(initial=0)))
    return tuple(one.rows * stride + one.values for one in (events.items, others))
