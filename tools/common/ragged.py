"""Rows of different length in two flat arrays."""

from typing import NamedTuple

import numpy as np


class Ragged(NamedTuple):
    """Row r is `values[offsets[r]:offsets[r + 1]]`."""

    values: np.ndarray  # [E]
    offsets: np.ndarray  # [R + 1] int64, from 0

    @property
    def lengths(self) -> np.ndarray:
        """Length of each row, `[R]`."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> np.ndarray:
        """Row number of each value, `[E]`."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)

    def take(self, rows) -> "Ragged":
        """The given rows, in that order."""
        return self.spans(self.offsets[rows], self.lengths[rows])

    def spans(self, starts, lengths) -> "Ragged":
        """Stretches of the flat values as rows of their own: positions `starts` `[R]`, `lengths` `[R]`."""
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        index = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return Ragged(self.values[index], offsets)

    def beside(self, other) -> "Ragged":
        """Each row's values, and after them those of the other's row."""
        order = np.argsort(np.concatenate([self.rows, other.rows]), kind="stable")
        return ragged(self.lengths + other.lengths, np.concatenate([self.values, other.values])[order])

    def distinct(self) -> "Ragged":
        """Each row's different values, rising."""
        stride = int(self.values.max(initial=0)) + 1
        keys = np.unique(self.rows * stride + self.values)
        return ragged(np.bincount(keys // stride, minlength=len(self.offsets) - 1), keys % stride)

    def contains(self, ids) -> np.ndarray:
        """Whether row r holds `ids[r, n]`: ids `[R, N]` to bool `[R, N]`."""
        stride = max(int(ids.max(initial=0)), int(self.values.max(initial=0))) + 1
        keys = np.arange(len(ids))[:, None] * stride + ids
        return np.isin(keys, self.rows * stride + self.values)

    def holds(self, other) -> np.ndarray:
        """Whether row r here holds each value of row r of another: bool `[E]`, in the order of the other's values."""
        stride = max(int(other.values.max(initial=0)), int(self.values.max(initial=0))) + 1
        return np.isin(other.rows * stride + other.values, self.rows * stride + self.values)


def ragged(lengths, values) -> Ragged:
    """Rows of the given lengths over flat values."""
    return Ragged(values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def running_sums(lengths) -> np.ndarray:
    """0 and the running sums of whole numbers, int32 where they fit: beside large sets it is these that cost memory."""
    sums = np.zeros(len(lengths) + 1, np.int32 if lengths.sum(dtype=np.int64) < 2**31 else np.int64)
    np.cumsum(lengths, out=sums[1:])
    return sums


def pieces(rows, size=1 << 23) -> list[slice]:
    """Slices that cover rows, at least one, none of them larger than `size`."""
    return [slice(start, min(start + size, rows)) for start in range(0, max(rows, 1), size)]


def words_of(texts) -> Ragged:
    """The words of each text."""
    lists = [str(text).split() for text in texts]
    return ragged([len(one) for one in lists], np.array([text for one in lists for text in one], object))


def single(texts) -> Ragged:
    """One value a row, none where the text is empty."""
    return ragged((texts != "").astype(np.int64), texts[texts != ""])


def cut_histories(items: Ragged, rows, ends, maxlen) -> tuple[np.ndarray, np.ndarray]:
    """The last `maxlen` items before position `ends` of each row, padded on the right with 0.

    Args:
        items: sequences, oldest first.
        rows, ends: `[B]`, which sequence and how many of its items came before.
        maxlen: T.

    Returns:
        `(hist_item, seq_len)`, int64 `[B, T]` and `[B]`.
    """
    seq_len = np.minimum(ends, maxlen)
    step = np.arange(maxlen)
    index = (items.offsets[rows] + ends - seq_len)[:, None] + step  # [B, T]
    hist_item = items.values.take(index, mode="clip").astype(np.int64)
    hist_item[step >= seq_len[:, None]] = 0
    return hist_item, seq_len


def first_appearance(values):
    """Number distinct values in the order of their first appearance.

    Returns:
        `(codes, distinct)`: `distinct[codes]` are the values again.
    """
    distinct, first, codes = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[codes], distinct[order]


def earlier_in_row(values):
    """How often each value stands in its row already: `[U, C]` to int64 `[U, C]`, 0 where it is the first.

    Args:
        values: whole numbers from -1 on.
    """
    width = values.shape[1]
    step = np.arange(width)
    ordered = np.sort(values.astype(np.int64) * width + step, axis=1)  # faster than argsort, and as stable
    value, column = np.divmod(ordered, width)
    start = np.zeros_like(value)  # where the run of a value starts
    start[:, 1:] = np.where(value[:, 1:] != value[:, :-1], step[1:], 0)
    earlier = np.empty_like(value)
    np.put_along_axis(earlier, column, step - np.maximum.accumulate(start, axis=1), axis=1)
    return earlier
