"""The two text forms of a split, PaddleRec's.

`uid,item,time` rows, and for evaluation one user a line, `user_id:7 target_item:0 hist_item:3 hist_item:5 eval_item:9`.
"""

import ast
import contextlib
import json
import re
import warnings
from collections import Counter
from itertools import islice
from typing import NamedTuple

import numpy as np

from tools.common.errors import UserError
from tools.common.files import BOM, decode, line_blocks, read_bytes, shown
from tools.common.ragged import Ragged, first_appearance, ragged

# Whole times exactly where all of them are: nanoseconds need more digits than float64 has.
ROWS = [np.dtype([("user", np.int64), ("item", np.int64), ("time", kind)]) for kind in (np.int64, np.float64)]
ROW_FORM = re.compile(rb"\s*[+-]?\d{1,19}\s*,\s*[+-]?\d{1,19}\s*,\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
KINDS = (b"user_id", b"target_item", b"hist_item", b"eval_item")
LONGEST_WORD = 1000  # bytes; one longer word would be padded into all others


class Sequences(NamedTuple):
    """Users with their items, oldest first."""

    users: np.ndarray  # [U] int64
    items: Ragged  # U rows, int32


class Evaluation(NamedTuple):
    """Users to evaluate, one row each."""

    users: np.ndarray  # [U] int64
    history: Ragged  # oldest first
    target: Ragged  # the items to find


def is_evaluation(path) -> bool:
    """Whether a file is in PaddleRec's evaluation form."""
    return any(data.startswith(b"user_id:") for _, data in islice(line_blocks(path, 1 << 16), 1))  # not all of it


def parse_sequences(files, item_count) -> Sequences:
    """Sequences from `uid,item,time` rows in any order: users by first appearance, items by time, ties in row order.

    Raises:
        UserError: for an empty file, a malformed row or an id out of range, with file and line.
    """
    parts = []
    for path in files:
        rows, lines = _parse_rows(path)
        check_items(path, rows["item"], item_count, lines)
        parts.append(rows)
    rows = np.concatenate(parts)
    codes, users = first_appearance(rows["user"])
    order = np.lexsort((rows["time"], codes))
    return Sequences(users, ragged(np.bincount(codes), rows["item"][order].astype(np.int32)))


def _parse_rows(path):
    """Rows of a file with the line that each stands on."""
    lines = read_bytes(path).removeprefix(BOM).splitlines()
    filled = [number for number, line in enumerate(lines, 1) if line.strip()]
    if not filled:
        raise UserError(f"{path}: empty; it must have rows uid,item,time")
    for form in ROWS:
        with warnings.catch_warnings(), contextlib.suppress(ValueError, DeprecationWarning):  # neither says which line
            warnings.simplefilter("error", DeprecationWarning)  # before numpy 2.3, 1.5 was whole with a warning
            rows = np.loadtxt([lines[number - 1] for number in filled], form, delimiter=",", comments=None, ndmin=1)
            if np.isfinite(rows["time"]).all():
                return rows, np.array(filled)
    number = next((number for number in filled if not _is_row(lines[number - 1])), filled[0])
    line = lines[number - 1].decode("utf-8", "replace")[:80]
    raise UserError(f"{path}:{number}: {line!r} is not a row uid,item,time of three numbers; correct or remove it")


def _is_row(line):
    if not ROW_FORM.fullmatch(line):
        return False
    user, item, time = line.split(b",")
    return max(abs(int(user)), abs(int(item))) < 2**63 and np.isfinite(float(time))


def check_items(path, items, item_count, lines=None):
    """Refuse an id that is no row of the item table.

    Args:
        items: ids in the order of the file.
        lines: the line of each; None: one a line.
    """
    if not len(items) or (items.min() >= 1 and items.max() < item_count):
        return
    bad = int(np.argmax((items < 1) | (items >= item_count)))
    line = bad + 1 if lines is None else lines[bad]
    fix = f"set hyper_parameters.item_count above the largest id, {items.max()}, or correct the row"
    raise UserError(f"{path}:{line}: item {items[bad]} is not from 1 to item_count - 1 = {item_count - 1}; {fix}")


def parse_json(text):
    """The value of a JSON text; a `ValueError` for anything else, a key that occurs twice and endless nesting."""
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _once(pairs):
    table = dict(pairs)
    if len(table) < len(pairs):
        key = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {shown(key)!r} occurs twice; keep one of them")
    return table


def parse_object(line) -> dict:
    """The mapping of a line, JSON or what Python writes of one, as Amazon's older files have; a `ValueError` else."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(line)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            raise ValueError("neither JSON nor a Python literal") from None
    if not isinstance(value, dict):
        raise ValueError("not a mapping")
    return value


def split_tokens(path) -> tuple[np.ndarray, np.ndarray]:
    """As `list_tokens`, the words as an array."""
    words, line = list_tokens(path)
    return np.array(words), line


def list_tokens(path) -> tuple[list[bytes], np.ndarray]:
    """The words of a file and the line of each, from 1, int64 `[n]`; a byte order mark is no word."""
    data = read_bytes(path).removeprefix(BOM)
    if b"\0" in data:
        decode(data, path)  # fails with the line
    byte = np.frombuffer(data, np.uint8)
    space = np.isin(byte, np.frombuffer(b" \t\n\r\x0b\x0c", np.uint8))  # what split() splits at
    line_end = (byte == ord("\n")) | ((byte == ord("\r")) & (np.append(byte[1:], 0) != ord("\n")))
    edge = np.flatnonzero(np.diff(np.concatenate([[True], space, [True]])))
    start, end = edge[::2], edge[1::2]
    line = np.searchsorted(np.flatnonzero(line_end), start) + 1
    if len(start) and (longest := int(np.argmax(end - start))) >= 0 and end[longest] - start[longest] > LONGEST_WORD:
        raise UserError(
            f"{path}:{line[longest]}: a word of {end[longest] - start[longest]} bytes; is this a text file?"
        )
    return data.split(), line


def parse_evaluation(files, item_count) -> Evaluation:
    """Users of files in the evaluation form; a `UserError` with file and line for anything else."""
    users: list[np.ndarray] = []
    history: list[tuple] = []
    target: list[tuple] = []
    for path in files:
        tokens, line = split_tokens(path)
        if not len(tokens):
            raise UserError(f"{path}: empty; it must have lines user_id:N hist_item:N … eval_item:N …")
        name, _, value = np.char.partition(tokens, b":").T
        fine = np.isin(name, KINDS) & np.char.isdigit(value) & (np.char.str_len(value) <= 18)
        fine &= (name == b"user_id") == np.concatenate([[True], line[1:] != line[:-1]])  # first in a line, nowhere else
        if not fine.all():
            bad = int(np.argmin(fine))
            word = tokens[bad].decode("utf-8", "replace")[:80]
            raise UserError(
                f"{path}:{line[bad]}: {word!r}: a line is user_id:N, then hist_item:N and eval_item:N words"
            )
        number, row = value.astype(np.int64), np.cumsum(name == b"user_id") - 1
        users.append(number[name == b"user_id"])
        for kind, rows in ((b"hist_item", history), (b"eval_item", target)):
            chosen = name == kind
            check_items(path, number[chosen], item_count, line[chosen])
            rows.append((np.bincount(row[chosen], minlength=row[-1] + 1), number[chosen]))
    return Evaluation(np.concatenate(users), _join(history), _join(target))


def _join(parts):
    lengths, values = zip(*parts, strict=True)
    return ragged(np.concatenate(lengths), np.concatenate(values))
