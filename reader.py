"""Batches for training and evaluation, cut from flat arrays of items and offsets."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
from paddle.io import IterableDataset, get_worker_info

from tools.common import ranks
from tools.common.errors import UserError
from tools.common.ragged import Ragged, cut_histories, pieces, running_sums
from tools.data.context import Context
from tools.data.dataset import read_evaluation, read_sequences

logger = logging.getLogger(__name__)


class RecDataset(IterableDataset):
    """Training batches `[hist_item [B, T], target_item [B, M], seq_len [B]]`, int64, and with user features their
    values `[E]` and the number of values in each slot `[B·F]`.

    A sample is a user, a position k of at least `min_history` (from 0), the `maxlen` items before it and the M items
    from there on, 0 where there are fewer. Samples are drawn with replacement; batch s of epoch e depends on
    (seed, e, s) alone, so neither the number of reader processes nor an interruption changes the order. An epoch is
    ceil(eligible positions / batch) batches. With `train_sampling: sequence`, for models that learn from every position
    of a history, it is each user once, in a drawn order, with the last item as the target. Of n processes each gives
    its n-th of batches n times as large.

    Args:
        file_list: text files of the split.
        config: the configuration; read are `runner.seed`, `runner.train_batch_size` and `hyper_parameters.item_count,
            maxlen, min_history, train_sampling, targets, user_features, query`.

    Raises:
        UserError: for bad data, see `tools.data.dataset`, or where no user has an eligible position.
    """

    def __init__(self, file_list, config):
        super().__init__()
        hyper = config.hyper_parameters
        self.maxlen, self.min_history, self.targets = hyper.maxlen, hyper.min_history, hyper.targets
        own, self.seed = config.runner.train_batch_size, config.runner.seed
        self.batch_size = own * ranks.count()  # of all processes
        self.own = slice(own * ranks.rank(), own * (ranks.rank() + 1))
        self.set_epoch(0)
        self.user, self.items = read_sequences(file_list, hyper.item_count)
        self.item_count = hyper.item_count
        self.context = Context(folder=Path(file_list[0]).parent, named=config.features, events=len(self.items.values))
        eligible = np.maximum(self.items.lengths - self.min_history, 0).astype(np.int32)  # positions of each user
        self.users = np.flatnonzero(eligible).astype(np.int32)
        self.first_position = running_sums(eligible[self.users])  # [users + 1]
        draws = {"user": self._draw_users, "position": self._draw_positions, "sequence": self._draw_sequences}
        self.draw, self.whole = draws[hyper.train_sampling], hyper.train_sampling == "sequence"
        if not len(self.users):
            raise UserError(f"{file_list[0]}: no user has more than min_history = {self.min_history} items")
        logger.info(
            "train: %d users, %d positions; %d users with %d items or fewer left out",
            len(self.users), self.positions, len(eligible) - len(self.users), self.min_history,
        )  # fmt: skip

    @property
    def positions(self) -> int:
        """Eligible positions: how many different samples there are."""
        return int(self.first_position[-1])

    @property
    def batches(self) -> int:
        """Batches an epoch."""
        return -(-(len(self.users) if self.whole else self.positions) // self.batch_size)

    def item_counts(self) -> np.ndarray:
        """How often each item stands in the training data, `[item_count]`."""
        counts = np.zeros(self.item_count, np.int64)
        for part in pieces(len(self.items.values)):  # bincount makes a copy of twice the size
            counts += np.bincount(self.items.values[part], minlength=self.item_count)
        return counts

    def set_epoch(self, epoch, first_batch=0):
        """Choose the epoch whose batches the next iteration gives, from which on."""
        self.epoch, self.first_batch = epoch, first_batch
        self.order = None  # of the users, where each stands once in an epoch

    def __iter__(self):
        worker = get_worker_info()
        first, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        for step in range(self.first_batch + first, self.batches, stride):
            yield self.batch(step)

    def batch(self, step):
        """Batch number `step` of the epoch."""
        drawn = self.draw(np.random.default_rng((self.seed, self.epoch, step)), step)
        user, k = (one[self.own] for one in drawn)  # [B], [B]
        hist_item, seq_len = cut_histories(self.items, user, k, self.maxlen)
        event = self.items.offsets[user] + k
        index = event[:, None] + np.arange(self.targets)  # [B, M]
        target_item = self.items.values.take(index, mode="clip").astype(np.int64)
        target_item[index >= self.items.offsets[user + 1][:, None]] = 0
        return [hist_item, target_item, seq_len, *self.context.of(self.user[user], event)]

    def _draw_users(self, rng, step):
        user = self.users[rng.integers(len(self.users), size=self.batch_size)]
        length = self.items.offsets[user + 1] - self.items.offsets[user]
        return user, rng.integers(self.min_history, length)

    def _draw_sequences(self, rng, step):
        if self.order is None:
            self.order = np.random.default_rng((self.seed, self.epoch)).permutation(self.users)
        some = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        user = self.order.take(some, mode="wrap")  # the last batch is filled from the first one's users
        return user, self.items.offsets[user + 1] - self.items.offsets[user] - 1

    def _draw_positions(self, rng, step):
        position = rng.integers(self.positions, size=self.batch_size)
        index = np.searchsorted(self.first_position, position.astype(self.first_position.dtype), side="right") - 1
        return self.users[index], self.min_history + position - self.first_position[index]


class InferBatch(NamedTuple):
    """Users to embed and evaluate."""

    user: np.ndarray  # [B]
    hist_item: np.ndarray  # [B, T]
    seq_len: np.ndarray  # [B]
    seen: Ragged  # B rows: the whole history
    target: Ragged  # B rows: all items to find
    context: tuple = ()  # with user features: their values [E], and how many in each slot [B·F]


class InferDataset:
    """Evaluation batches `InferBatch`, every user once, in file order, the last batch as short as it is.

    Of n processes that train together each gives every n-th user.

    Args:
        file_list: text files of the split, `uid,item,time` or PaddleRec's evaluation format.
        config: the configuration; read are `runner.infer_batch_size` and `hyper_parameters.item_count, maxlen,
            user_features, query`.

    Raises:
        UserError: for bad data, see `tools.data.dataset`, or where no user can be evaluated.
    """

    def __init__(self, file_list, config):
        self.maxlen, self.batch_size = config.hyper_parameters.maxlen, config.runner.infer_batch_size
        self.data, short = read_evaluation(file_list, config.hyper_parameters.item_count)
        if not len(self.data.users):
            raise UserError(f"{file_list[0]}: no user has both a history and a target; nothing to evaluate")
        self.context, self.event = open_context(file_list, config, self.data)
        logger.info("%s: %d users; %d without history or target left out", file_list[0], len(self.data.users), short)

    def __iter__(self):
        own = np.arange(len(self.data.users))[ranks.rank() :: ranks.count()]
        for start in range(0, len(own), self.batch_size):
            rows = own[start : start + self.batch_size]
            seen, target = self.data.history.take(rows), self.data.target.take(rows)
            hist_item, seq_len = cut_histories(seen, np.arange(len(rows)), seen.lengths, self.maxlen)
            user = self.data.users[rows]
            yield InferBatch(user, hist_item, seq_len, seen, target, self.context.of(user, self.event[rows]))


def open_context(file_list, config, data):
    """The context of a split that is evaluated, and for each of its users the event of the first target, `[U]`."""
    folder = Path(file_list[0]).parent
    if not config.hyper_parameters.query:
        return Context(folder=folder, named=config.features, events=0), np.zeros_like(data.users)
    users, items = read_sequences(file_list, config.hyper_parameters.item_count)
    first = items.offsets[:-1][np.isin(users, data.users)]
    return Context(folder=folder, named=config.features, events=len(items.values)), first + data.history.lengths
