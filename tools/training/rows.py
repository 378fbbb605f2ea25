"""Rows of a checkpoint's tables for a model of other items: each is found by the user's own id, others begin anew."""

import logging
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import paddle

from tools.common.errors import UserError
from tools.common.files import load_arrays
from tools.config.load import Config
from tools.data import identity
from tools.data.dataset import read_map
from tools.data.features import vocabulary
from tools.training import agreement

ITEMS = "item_table.weight"
# Tables of features, and how the names of those begin whose values they hold, see `vocabulary`.
FEATURES = {"item_table.features.table.weight": ("item.",), "user_features.table.weight": ("user.", "event.")}
CHUNK = 1 << 16  # items whose features are looked up at once


class Rows(NamedTuple):
    """Where the rows of a model's tables come from."""

    source: dict[str, np.ndarray]  # table -> the checkpoint's row for each of its rows, -1 for none
    new: int = 0  # items that the checkpoint has not
    left: int = 0  # items of the checkpoint that the data set has not

    def take(self, state, seed):
        """A state's tables as the model needs them, in place; a row that is new has the distribution of the others.

        Its values are drawn from normal distributions with each column's mean and deviation over the rows taken over.
        All processes draw the same.
        """
        for name, source in self.source.items():
            table = _table(state, name, source)
            if table is None:
                continue
            known = source >= 0
            found, taken = np.empty((len(source), table.shape[1]), np.float32), table[source[known]]
            found[known] = taken
            shown = taken[1:] if name == ITEMS else taken  # row 0 of items is padding's
            shape = (len(source) - len(taken), table.shape[1])
            drawn = np.random.default_rng((seed, zlib.crc32(name.encode()))).standard_normal(shape)
            found[~known] = shown.mean(axis=0) + shown.std(axis=0) * drawn if len(shown) else drawn * table.std()
            state[name] = found

    def take_moments(self, state):
        """What an optimizer kept of these rows, in place; 0 for a new one."""
        for name, source in self.source.items():
            for key in [one for one in state if one.startswith(f"{name}_")]:
                kept = _table(state, key, source)
                if kept is not None:
                    state[key] = np.where((source >= 0)[:, None], kept[np.maximum(source, 0)], np.float32(0))

    def begin(self, model, folder):
        """Give new items the mean of their features as a row, where the checkpoint knows any of these; tell the counts.

        Args:
            model: filled with the rows.
            folder: of the checkpoint, for the log.
        """
        for name in FEATURES.keys() & self.source.keys():
            taken = int((self.source[name] >= 0).sum())
            new = len(self.source[name]) - taken
            logging.info("%s: %s: rows of %d values taken over by their text, %d are new", folder, name, taken, new)
        if (source := self.source.get(ITEMS)) is None:
            return
        fresh = np.flatnonzero(source < 0)
        able = fresh[self._described(model, fresh)]
        with paddle.no_grad():
            for start in range(0, len(able), CHUNK):
                some = paddle.to_tensor(able[start : start + CHUNK])
                side, present = model.item_table.side(some)
                # The mean of its features is an item's row if it is its id's own row too, see `ItemTable`.
                model.item_table.weight[some] = side / present.unsqueeze(1)
        taken, features = int((source > 0).sum()), len(able)
        logging.info(
            "%s: rows of %d items taken over by their own ids, with their moments; %d new ones begin from features, "
            "%d from the table's distribution; %d items of the checkpoint are no more",
            folder, taken, features, self.new - features, self.left,
        )  # fmt: skip

    def _described(self, model, items):
        """Whether the checkpoint knows a feature's value of each of some items, bool."""
        count = getattr(model.item_table, "feature_num", 0)
        if not count:
            return np.zeros(len(items), bool)
        token, offsets = (getattr(model.item_table, name).numpy() for name in ("token", "offsets"))
        source = self.source.get("item_table.features.table.weight")
        known = np.ones(len(token), bool) if source is None else source[token] >= 0
        before = np.concatenate([[0], np.cumsum(known)])
        return before[offsets[(items + 1) * count]] > before[offsets[items * count]]


def _table(state, name, source):
    """A table of a state; None where it has none, so that others say what is wrong."""
    table = state.get(name)
    if not isinstance(table, np.ndarray) or table.ndim != 2:
        return None
    if source.max(initial=-1) >= len(table):
        raise UserError(f"{name}: the checkpoint has {len(table)} rows, its data set more; use another checkpoint")
    return table


def find(folder, config: Config, then: Path) -> Rows:
    """The rows of all tables that are not as the checkpoint has them.

    Args:
        folder: of the checkpoint, which `tools.training.agreement` has found to fit.
        config: the configuration.
        then: the checkpoint's `features.npz`, which may be missing.
    """
    source, counts = {}, (0, 0)
    if (found := _items(folder, config)) is not None:
        source[ITEMS], *counts = found
    if then.is_file():
        before, now = load_arrays(then, "train again"), vocabulary(config.features)
        for name, kinds in FEATURES.items():
            rows = _values(before, now, kinds)
            if rows is not None:
                source[name] = rows
    return Rows(source, *counts)


def _items(folder, config):
    """The checkpoint's row of each item, how many have none, how many of its items are gone; None for the same map."""
    carried = identity.read(folder)
    found = identity.read_identity(agreement.runner_splits(config))
    if not carried or not carried.item_map or not found.item_map or carried.item_map == found.item_map:
        return None
    path = identity.find_map(folder, carried)
    if path is None:
        raise UserError(
            f"{folder}: no {identity.MAP} here, and none of item map {carried.item_map} in {carried.folder}; put back "
            "the data set that it was trained on, or train again"
        )
    before, now = read_map(path), read_map(Path(found.folder) / identity.MAP)
    if identity.map_digest(found.folder) != found.item_map:
        raise UserError(f"{found.folder}: was replaced while it was read; start again")
    own = {name: item for item, name in before.items()}
    source = np.full(config.hyper_parameters.item_count, -1, np.int64)
    source[0] = 0
    if not now or min(now) < 1 or max(now) >= len(source):
        told = f"items {min(now)} to {max(now)}" if now else "no items"
        raise UserError(f"{found.folder}/{identity.MAP}: {told}, and hyper_parameters.item_count is {len(source)}")
    source[list(now)] = [own.get(name, -1) for name in now.values()]
    taken = int((source > 0).sum())
    if not taken:
        raise UserError(f"{folder}: none of its {len(before)} items is in {found.folder}; train anew")
    if carried.item_map not in found.bases:
        logging.warning(
            "%s: %s does not extend the data set that it was trained on, so its training users may be test users here, "
            "and figures too good", folder, found.folder,
        )  # fmt: skip
    return source, len(now) - taken, len(before) - taken


def _values(before, now, kinds):
    """The checkpoint's row of each value of some features; None where all are the same."""
    names = [name for name in now if name.startswith(kinds)]
    if not names or all(np.array_equal(now[name], before.get(name, ())) for name in names):
        return None
    first, source = 0, []
    for name in names:
        then = before.get(name, np.zeros(0, str))
        order = np.argsort(then, kind="stable")
        place = np.searchsorted(then[order], now[name]) if len(then) else np.zeros(len(now[name]), np.int64)
        place = order[np.minimum(place, len(then) - 1)] if len(then) else place
        same = then[place] == now[name] if len(then) else np.zeros(len(now[name]), bool)
        source.append(np.where(same, first + place, -1))
        first += len(then)
    return np.concatenate(source) if sum(map(len, source)) else np.array([-1])
