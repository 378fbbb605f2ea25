"""What a `Predictor` may be asked: ids of its items, arrays of its shapes."""

from itertools import chain

import numpy as np

from tools.common.errors import UserError, did_you_mean
from tools.common.files import shown
from tools.common.ragged import Ragged, ragged


class RequestError(UserError, ValueError):
    """A request that has no answer. The message gives the value and the rule."""


def check_histories(histories, item_num) -> Ragged:
    """Histories of our ids as rows; a `RequestError` for an empty one and for what is no id from 1 to `item_num`."""
    if not hasattr(histories, "__len__"):
        raise RequestError(f"histories: {_told(histories)} is not a list of histories")
    if not len(histories):
        raise RequestError("histories: none; give one or more, each a list of ids")
    for row, history in enumerate(histories):
        if np.ndim(history) != 1 or not len(history):
            raise RequestError(f"histories[{row}]: {_told(history)} is not a list of one or more ids")
        for kind in {history.dtype.type} if isinstance(history, np.ndarray) else set(map(type, history)):
            if not _is_whole(kind):
                wrong = next(one for one in history if type(one) is kind)
                raise RequestError(f"histories[{row}]: {_told(wrong)} is no id{_rule(item_num)}")
    lengths = np.array([len(one) for one in histories])
    items = [int(one) for one in chain.from_iterable(histories)]
    if min(items) < 1 or max(items) > item_num:
        place = next(place for place, one in enumerate(items) if not 1 <= one <= item_num)
        row = int(np.searchsorted(np.cumsum(lengths), place, side="right"))
        raise RequestError(f"histories[{row}]: {_told(items[place])} is no id{_rule(item_num)}")
    return ragged(lengths, np.array(items, np.int64))


def check_arrays(hist_item, seq_len, maxlen, item_num) -> tuple[np.ndarray, np.ndarray]:
    """Right-padded histories `[B, T]` and their lengths `[B]` as int64; a `RequestError` for any others."""
    hist_item, seq_len = _whole_numbers("hist_item", hist_item), _whole_numbers("seq_len", seq_len)
    if hist_item.ndim != 2 or hist_item.shape[1] != maxlen or not len(hist_item):
        raise RequestError(f"hist_item: {list(hist_item.shape)}; its shape is [B, {maxlen}], B from 1")
    if seq_len.shape != hist_item.shape[:1]:
        raise RequestError(f"seq_len: {list(seq_len.shape)}; its shape is [{len(hist_item)}], a length a history")
    for name, array, low, high in (("hist_item", hist_item, 0, item_num), ("seq_len", seq_len, 1, maxlen)):
        wrong = array[(array < low) | (array > high)]
        if wrong.size:
            raise RequestError(f"{name}: {wrong[0]} is not from {low} to {high}")
    return tuple(np.ascontiguousarray(one, np.int64) for one in (hist_item, seq_len))  # type: ignore[return-value]


def check_profiles(profiles, users, features) -> list[dict]:
    """A profile a user, feature -> texts; a `RequestError` for unknown features and other values."""
    profiles = [{}] * users if profiles is None else list(profiles)
    if len(profiles) != users:
        raise RequestError(f"profiles: {len(profiles)} for {users} histories; give one for each, {{}} for none")
    for row, profile in enumerate(profiles):
        if not isinstance(profile, dict):
            raise RequestError(f"profiles[{row}]: {_told(profile)} is not a table of features, each with its values")
        for name, values in profile.items():
            if name not in features:
                known = ", ".join(features) or "no features of users"
                raise RequestError(
                    f"profiles[{row}]: the model knows {known}, not {_told(name)}{did_you_mean(name, features)}"
                )
            if not isinstance(values, list | tuple) or not all(isinstance(one, str) for one in values):
                raise RequestError(f"profiles[{row}]: {name}: {_told(values)} is not a list of texts")
    return profiles


def check_excluded(exclude, users, item_num) -> Ragged:
    """Ids to leave out, a row a history; a `RequestError` for what is no id from 1 to `item_num`."""
    if len(exclude) != users:
        raise RequestError(f"exclude: {len(exclude)} for {users} histories; give one for each, [] for none")
    for row, ids in enumerate(exclude):
        if np.ndim(ids) != 1:
            raise RequestError(f"exclude[{row}]: {_told(ids)} is not a list of ids{_rule(item_num)}")
    rows = [np.asarray(one, np.int64 if len(one) == 0 else None) for one in exclude]
    for row, ids in enumerate(rows):
        if ids.ndim != 1 or ids.dtype.kind not in "iu" or (ids.size and not 1 <= ids.min() <= ids.max() <= item_num):
            raise RequestError(f"exclude[{row}]: {_told(exclude[row])} is not a list of ids{_rule(item_num)}")
    return ragged(list(map(len, rows)), np.concatenate(rows).astype(np.int64))


def check_length(top_n) -> int:
    """A list's length N; a `RequestError` where it is none."""
    if not _is_whole(type(top_n)) or top_n < 1:
        raise RequestError(f"top_n: {_told(top_n)} is not a whole number of at least 1")
    return int(top_n)


def _whole_numbers(name, given):
    try:
        array = np.asarray(given)
    except ValueError:  # rows of different lengths
        raise RequestError(f"{name}: {_told(given)} is not an array; pad the rows with 0 to one length") from None
    if array.dtype.kind not in "iu":
        raise RequestError(f"{name}: {array.dtype}; ids and lengths are whole numbers")
    return array


def _is_whole(kind):
    return issubclass(kind, int | np.integer) and kind is not bool


def _rule(item_num):
    return f"; ids are whole numbers from 1 to {item_num}, see Predictor.numbers"


def _told(value):
    return shown(repr(value))
