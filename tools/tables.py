"""Tables of interactions with a header, CSV, TSV or Parquet: a row an interaction, columns by name."""

import contextlib
import csv
from pathlib import Path

import numpy as np

from tools.errors import UserError, did_you_mean
from tools.files import lines_of, read_text, sha256, shown
from tools.interactions import Interactions
from tools.ragged import first_appearance, single, words_of
from tools.text import LONGEST_WORD


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
    columns, lines = (_read_parquet if path.suffix == ".parquet" else _read_delimited)(path, wanted)
    times = _numbers(path, columns, time, lines)
    bad = {f"{name} is empty": _is_empty(columns[name]) for name in (user, item)}
    if rating is not None:
        bad[f"{rating} below {min_rating:g}"] = ~(_numbers(path, columns, rating, lines) >= min_rating)
    kept, dropped = np.ones(len(times), bool), {}
    for reason, rows in bad.items():  # a row with several faults is counted for the first
        dropped[reason] = int((kept & rows).sum())
        kept &= ~rows
    user_code, user_names = first_appearance(columns[user][kept])
    item_code, item_names = first_appearance(columns[item][kept])
    source = {"name": path.name, "sha256": sha256(path)}
    log = Interactions(user_code, item_code, times[kept], user_names, item_names, source, dropped=dropped)
    if category is not None:
        log.item_category = columns[category][kept][np.unique(item_code, return_index=True)[1]].astype(str)
        log.item_attributes = {category: single(log.item_category)}
    if query is not None:
        asked, log.query = np.unique(columns[query][kept].astype(str), return_inverse=True)
        log.query_words = words_of(asked)
    return log


def _read_delimited(path, wanted):
    """The wanted columns as texts, and the line of each row. A row is a line: no field goes over its end."""
    text = lines_of(read_text(path))
    header = text[0][1] if text and text[0][0] == 1 else ""
    delimiter = "\t" if "\t" in header else ","
    try:
        names = next(csv.reader([header], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise UserError(f"{path}:1: the header is not readable as CSV ({shown(error)}); mend it") from None
    _check_columns(path, wanted, names)
    if len(text) == 1:
        raise UserError(f"{path}: no rows below the header; nothing to prepare")
    index = [names.index(name) for name in wanted]
    filled, rows = [number for number, _ in text[1:]], [line for _, line in text[1:]]
    try:
        widths = np.fromiter(map(len, csv.reader(rows, delimiter=delimiter, strict=True)), np.int64)
        fine = len(widths) == len(rows) and (widths == len(names)).all()
    except csv.Error:
        fine = False
    if not fine or max(map(len, rows)) > LONGEST_WORD:
        _check_rows(path, zip(filled, rows, strict=True), delimiter, names, index)
    table = np.loadtxt(rows, str, comments=None, delimiter=delimiter, usecols=index, ndmin=2, quotechar='"')
    return dict(zip(wanted, table.T, strict=True)), np.array(filled)


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
            raise UserError(f"{path}:{number}: {reason}; mend or remove the row")


def _read_parquet(path, wanted):
    try:
        import polars
    except ImportError:
        raise UserError(f"{path}: reading Parquet needs an extra; install it with: pip install '.[parquet]'") from None
    try:
        _check_columns(path, wanted, list(polars.read_parquet_schema(path)))
        frame = polars.read_parquet(path, columns=wanted)
        columns = {name: _plain(path, frame[name]) for name in wanted}
    except (OSError, polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
        raise UserError(f"{path}: not readable as Parquet ({shown(error, 300)}); write it again") from None
    return columns, np.arange(1, len(frame) + 1)


def _plain(path, column):
    """Whole numbers as they are, dates as whole numbers, all else as texts, '' for none."""
    if column.dtype.is_temporal():
        column = column.to_physical()
    if column.dtype.is_integer() and not column.null_count():
        return column.to_numpy()
    texts = column.cast(str).fill_null("")
    if (bad := texts.str.contains("[\0\r\n]")).any():  # our maps are read line by line
        raise UserError(f"{path}:{bad.arg_max() + 1}: {column.name} has a line end or NUL; mend or remove the row")
    return texts.to_numpy()


def _check_columns(path, wanted, names):
    for name in wanted:
        if name not in names:
            known = shown(", ".join(names), 300)
            raise UserError(f"{path}:1: no column {shown(name)!r} among {known}{did_you_mean(name, map(shown, names))}")
        if names.count(name) > 1:
            raise UserError(f"{path}:1: the column {name!r} stands twice; rename one of them")


def _is_empty(values):
    return values == "" if values.dtype.kind in "UO" else np.zeros(len(values), bool)


def _numbers(path, columns, name, lines):
    values = columns[name]
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
            f"{path}:{lines[row]}: {name} is {str(values[row])[:80]!r}, not a number; mend or remove the row"
        )
    return numbers


def _number(text):
    try:
        return float(text)
    except ValueError:
        return np.nan
