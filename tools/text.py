"""The two text forms of a split, PaddleRec's.

`uid,item,time` rows, and for evaluation a user a line, `user_id:7 target_item:0 hist_item:3 hist_item:5 eval_item:9`.
"""

import re
from typing import NamedTuple

import numpy as np

from tools.errors import UserError
from tools.files import read_bytes
from tools.ragged import Ragged, first_appearance, ragged

ROW = np.dtype([("user", np.int64), ("item", np.int64), ("time", np.float64)])
ROW_FORM = re.compile(rb"\s*[+-]?\d{1,18}\s*,\s*[+-]?\d{1,18}\s*,\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
BOM = b"\xef\xbb\xbf"


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
    return read_bytes(path).removeprefix(BOM).startswith(b"user_id:")


def parse_sequences(files, item_count) -> Sequences:
    """Sequences from `uid,item,time` rows in any order: users by first appearance, items by time, ties in row order.

    Raises:
        UserError: for an empty file, a malformed row or an id out of range, with file and line.
    """
    parts = [_parse_rows(path) for path in files]
    for path, rows in zip(files, parts, strict=True):
        check_items(path, rows["item"], item_count)
    rows = np.concatenate(parts)
    codes, users = first_appearance(rows["user"])
    order = np.lexsort((rows["time"], codes))
    return Sequences(users, ragged(np.bincount(codes), rows["item"][order].astype(np.int32)))


def _parse_rows(path):
    data = read_bytes(path).removeprefix(BOM)
    if not data.strip():
        raise UserError(f"{path}: empty; it must hold rows uid,item,time")
    lines = data.splitlines()
    try:
        rows = np.loadtxt(lines, ROW, delimiter=",", comments=None, ndmin=1, encoding="ascii")
        if np.isfinite(rows["time"]).all():
            return rows
    except ValueError:
        pass  # numpy counts rows, not lines, so the line is looked for here
    number = next(number for number, line in enumerate(lines, 1) if line.strip() and not ROW_FORM.fullmatch(line))
    shown = lines[number - 1].decode("utf-8", "replace")[:80]
    raise UserError(f"{path}:{number}: {shown!r} is not a row uid,item,time of three numbers; mend or remove it")


def check_items(path, items, item_count):
    """Refuse an id that is no row of the item table; items are the rows of a file in order."""
    if not len(items) or (items.min() >= 1 and items.max() < item_count):
        return
    line = int(np.argmax((items < 1) | (items >= item_count)))
    fix = f"set hyper_parameters.item_count above the largest id, {items.max()}, or mend the row"
    raise UserError(f"{path}:{line + 1}: item {items[line]} is not from 1 to item_count - 1 = {item_count - 1}; {fix}")


def parse_evaluation(files, item_count) -> Evaluation:
    """Users of files in the evaluation form; a `UserError` with file and line for anything else."""
    kinds = (b"user_id", b"hist_item", b"eval_item")
    users, history, target = [], [], []
    for path in files:
        tokens = np.array(read_bytes(path).removeprefix(BOM).split())
        name, _, value = np.char.partition(tokens, b":").T
        known = np.isin(name, [*kinds, b"target_item"]) & np.char.isdigit(value)
        line = np.cumsum(name == b"user_id")  # from 1
        if not known.all() or line[0] == 0:
            bad = int(np.argmin(known))
            raise UserError(
                f"{path}:{max(line[bad], 1)}: {tokens[bad].decode('utf-8', 'replace')!r} is not one of "
                "user_id:N, target_item:N, hist_item:N, eval_item:N"
            )
        number = value.astype(np.int64)
        users.append(number[name == b"user_id"])
        for kind, rows in zip(kinds[1:], (history, target), strict=True):
            chosen = name == kind
            beyond = chosen & ((number < 1) | (number >= item_count))
            if beyond.any():
                bad = int(np.argmax(beyond))
                raise UserError(
                    f"{path}:{line[bad]}: item {number[bad]} is not from 1 to item_count - 1 = {item_count - 1}; "
                    "set hyper_parameters.item_count above the largest id"
                )
            rows.append((np.bincount(line[chosen] - 1, minlength=line[-1]), number[chosen]))
    return Evaluation(
        np.concatenate(users),
        *(ragged(*(np.concatenate(part) for part in zip(*rows, strict=True))) for rows in (history, target)),
    )
