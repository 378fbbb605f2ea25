"""Tables of interactions with a header, CSV or TSV: a row an interaction, columns by name."""

import contextlib
import csv
from pathlib import Path

import numpy as np

from tools.common.errors import UserError, did_you_mean
from tools.common.files import lines_of, read_text, sha256, shown
from tools.common.ragged import first_appearance, single, words_of
from tools.data.split_text import LONGEST_WORD
from tools.logs.interactions import Interactions

NO_ROWS = "no rows below the header; nothing to prepare"


def read_table(
    path: Path, *, user, item, time, category=None, query=None, rating=None, min_rating=None
) -> Interactions:
    """A log; the arguments name its columns.

    Rows without a user or an item and those rated below `min_rating` are left out, and counted. Times are int64 where
    all of them are such numbers, float64 otherwise. Categories are those of first rows; queries become words.

    Raises:
        UserError: for an unknown column, a row that is none or a value that is no number, with file and line.
    """
    wanted = [name for name in (user, item, time, category, query, rating) if name is not None]
    columns, lines = _read_delimited(path, wanted)
    times = parse_numbers(path, columns[time], time, lines)
    bad = {f"{name} is empty": columns[name] == "" for name in (user, item)}
    if rating is not None:
        bad[f"{rating} below {min_rating:g}"] = ~(parse_numbers(path, columns[rating], rating, lines) >= min_rating)
    kept, dropped = sift(bad)
    user_code, user_names = first_appearance(columns[user][kept])
    item_code, item_names = first_appearance(columns[item][kept])
    source = {"name": path.name, "sha256": sha256(path)}
    log = Interactions(user_code, item_code, times[kept], user_names, item_names, source, dropped=dropped)
    if category is not None:
        log.item_category = columns[category][kept][np.unique(item_code, return_index=True)[1]]
        log.item_attributes = {category: single(log.item_category)}
    if query is not None:
        asked, log.query = np.unique(columns[query][kept], return_inverse=True)
        log.query_words = words_of(asked)
    return log


def _read_delimited(path, wanted):
    """The wanted columns as texts, and the line of each row."""
    text = lines_of(read_text(path))
    names, delimiter = read_header(path, text[0][1] if text and text[0][0] == 1 else "", wanted)
    if len(text) == 1:
        raise UserError(f"{path}: {NO_ROWS}")
    return parse_rows(path, text[1:], names, delimiter, wanted), np.array([number for number, _ in text[1:]])


def read_header(path, header, wanted) -> tuple[list[str], str]:
    """The columns that a first line names, and what is between them; a `UserError` where a wanted one is missing."""
    delimiter = "\t" if "\t" in header else ","
    try:
        names = next(csv.reader([header], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise UserError(f"{path}:1: the header is not readable as CSV ({shown(error)}); correct it") from None
    check_columns(path, wanted, names)
    return names, delimiter


def parse_rows(path, text, names, delimiter, wanted) -> dict[str, np.ndarray]:
    """The wanted columns of numbered lines, as texts. A row is a line: no field goes over its end.

    Raises:
        UserError: for the first line that is no row.
    """
    index = [names.index(name) for name in wanted]
    rows = [line for _, line in text]
    try:
        widths = np.fromiter(map(len, csv.reader(rows, delimiter=delimiter, strict=True)), np.int64)
        fine = len(widths) == len(rows) and (widths == len(names)).all()
    except csv.Error:
        fine = False
    if not fine or max(map(len, rows)) > LONGEST_WORD:
        _check_rows(path, text, delimiter, names, index)
    table = np.loadtxt(rows, str, comments=None, delimiter=delimiter, usecols=index, ndmin=2, quotechar='"')
    return dict(zip(wanted, table.T, strict=True))


def _check_rows(path, rows, delimiter, names, index):
    """Refuse the first row that is none, and fields so long that they would be padded into millions of others."""
    for number, line in rows:
        reason = None
        try:
            (row,) = csv.reader([line], delimiter=delimiter, strict=True)
        except csv.Error as error:
            reason = f"not readable as CSV ({shown(error)})"
        else:
            if len(row) != len(names):
                reason = f"{len(row)} fields, the header has {len(names)}"
            elif long := [names[column] for column in index if len(row[column]) > LONGEST_WORD]:
                reason = f"{long[0]} has more than {LONGEST_WORD} characters"
        if reason:
            raise UserError(f"{path}:{number}: {reason}; correct or remove the row")


def check_columns(path, wanted, names):
    """Refuse columns that are not there, or twice."""
    for name in wanted:
        if name not in names:
            known = shown(", ".join(names), 300)
            raise UserError(f"{path}:1: no column {shown(name)!r} among {known}{did_you_mean(name, map(shown, names))}")
        if names.count(name) > 1:
            raise UserError(f"{path}:1: the column {name!r} occurs twice; rename one of them")


def parse_numbers(path, values, name, lines) -> np.ndarray:
    """A column as int64 where all of it are such numbers, otherwise as float64; a `UserError` for what is none."""
    numbers = None
    kinds = (np.float64,) if values.dtype == np.uint64 else (np.int64, np.float64)
    for kind in kinds:  # whole ones exactly: nanoseconds need more digits than float64 has
        with contextlib.suppress(ValueError, OverflowError):
            numbers = values.astype(kind)
            break
    if numbers is None:
        numbers = np.array([_number(value) for value in values])
    if (bad := ~np.isfinite(numbers)).any():
        row = int(np.argmax(bad))
        raise UserError(
            f"{path}:{lines[row]}: {name} is {str(values[row])[:80]!r}, not a number; correct or remove the row"
        )
    return numbers


def sift(bad) -> tuple[np.ndarray, dict[str, int]]:
    """Rows that stay, bool `[E]`, and how many are left out why; a row with several faults is counted for the first.

    Args:
        bad: reason -> bool `[E]`, the rows that it leaves out.
    """
    kept, dropped = ~np.zeros_like(next(iter(bad.values()))), {}
    for reason, rows in bad.items():
        dropped[reason] = int((kept & rows).sum())
        kept &= ~rows
    return kept, dropped


def _number(text):
    try:
        return float(text)
    except ValueError:
        return np.nan
