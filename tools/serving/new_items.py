"""New items, read from JSON lines or from a table as CSV."""

import csv
import io
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from tools.common.errors import UserError, did_you_mean
from tools.common.files import read_text, shown
from tools.common.ragged import Ragged, ragged
from tools.logs.tables import split_column
from tools.serving.histories import NO_ID, is_id, number_values, read_object, read_values

FORM = '{"item": "sku9", "features": {"brand": ["x"]}}'
MOST_TOLD = 20  # lines with a fault that are told one by one


class NewItems(NamedTuple):
    """Items of a file, in its order."""

    names: list[str]  # the user's own ids
    token: Ragged  # row n·F + f: numbers of the values of feature f of new item n
    unknown: int  # values that the model doesn't know


class TableForm(NamedTuple):
    """How a CSV says what the items are."""

    item: str = "item"  # column of their ids
    attributes: tuple[
        str, ...
    ] = ()  # its columns of features, `COLUMN|SEPARATOR` for several values; none: all named so


def read_items(file, texts, taken, form: TableForm | None = None) -> NewItems:
    """New items of a file.

    Args:
        file: JSON lines, or a CSV.
        texts: feature -> its values, in the order of their numbers.
        taken: the user's own ids of the items that the export has.
        form: of a CSV; None: the lines are JSON.

    Raises:
        UserError: one line for each line that is no new item, in all one where none is, as in a file of another kind.
    """
    numbers = number_values(texts)
    slots: list[list[int]] = []
    lines: dict[str, int] = {}  # item -> where it stands
    errors, unknown = [], 0
    for line, read in _rows(file, form, texts):
        try:
            item, features = read()
            if item in taken or item in lines:
                where = f"stands on line {lines[item]} too" if item in lines else "is known already"
                raise ValueError(f"item {item!r} {where}; remove the line")
            lines[item] = line
            token = [[own[one] for one in features.get(name, ()) if one in own] for name, own in numbers.items()]
            if not any(token):
                wanted = f"give it one of {', '.join(texts)}"
                raise ValueError(f"item {item!r} has neither clicks nor a feature that the model knows; {wanted}")
        except ValueError as error:
            errors.append(f"{file}:{line}: {error}")
            continue
        slots += token
        unknown += sum(len(features.get(name, ())) for name in texts) - sum(map(len, token))
    _refuse(file, errors, len(slots) // max(len(texts), 1), form)
    values = np.array([number for one in slots for number in one], np.int64)
    return NewItems(list(lines), ragged([len(one) for one in slots], values), unknown)


def _refuse(file, errors, fine, form):
    """A `UserError` where a file has lines that are no new items, or none that is one."""
    if not errors and not fine:
        raise UserError(f"{file}: no items; give {'rows below a header' if form else f'JSON lines like {FORM}'}")
    if errors and not fine and len(errors) > 1:
        kind = "" if form else "; a table is read from a name that ends in .csv"
        raise UserError(f"{errors[0]}; and so on: none of the {len(errors)} lines is a new item{kind}")
    if len(errors) > MOST_TOLD:
        errors = [*errors[:MOST_TOLD], f"and {len(errors) - MOST_TOLD} lines more"]
    if errors:
        raise UserError("\n       ".join(errors))


def _rows(file, form, texts) -> Iterator:
    """Number of a line, and what reads it: to the user's own id and the features, or to a `ValueError`."""
    text = read_text(file)
    if form is None:
        return (
            (line, partial(read_item, row)) for line, row in enumerate(text.split("\n"), 1) if row.strip()
        )  # a JSON text has no line ends
    return _table_rows(file, text, form, texts)


def _table_rows(file, text, form: TableForm, texts):
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(rows, [])
        for name in {one for one in header if header.count(one) > 1}:
            raise UserError(f"{file}:1: the column {shown(name)!r} stands twice; rename one")
        columns = _columns(file, header, form, texts)
        places = {name: (header.index(column), separator) for name, (column, separator) in columns.items()}
        item = header.index(form.item)
        for row in rows:
            if row:
                yield rows.line_num, partial(_table_item, row, len(header), item, places)
    except csv.Error as error:
        raise UserError(f"{file}:{rows.line_num}: not readable as CSV ({error}); correct the file") from None


def _columns(file, header, form: TableForm, texts) -> dict[str, tuple[str, str]]:
    """Feature -> its column and the separator within; a `UserError` for a column that is not there."""
    given = [split_column(one, header) for one in form.attributes] or [(one, "") for one in header if one in texts]
    told = f"{file}:1: the header has {', '.join(map(shown, header)) or 'nothing'}"
    for name in (form.item, *(column for column, _ in given)):
        if name not in header:
            raise UserError(f"{told}, not {shown(name)!r}{did_you_mean(name, header)}")
    wrong = [column for column, _ in given if column not in texts]
    if wrong or not given:
        what = f"{shown(wrong[0])!r} is no feature of the model" if wrong else "no column is a feature of the model"
        raise UserError(f"{told}: {what}, which knows {', '.join(texts)}")
    return {column: (column, separator) for column, separator in given}


def _table_item(row, width, item, places) -> tuple[str, dict[str, list[str]]]:
    if len(row) != width:
        raise ValueError(f"{len(row)} fields; the header has {width}")
    if not row[item] or NO_ID.search(row[item]):
        raise ValueError(f"{row[item]!r} is no id; correct or remove the line")
    cells = {
        name: row[place].split(separator) if separator else [row[place]] for name, (place, separator) in places.items()
    }
    return row[item], {name: [one.strip() for one in values if one.strip()] for name, values in cells.items()}


def read_item(text) -> tuple[str, dict[str, list[str]]]:
    """The user's own id of a JSON line's item, and its features; a `ValueError` for anything else."""
    row = read_object(text)
    for key in sorted((row or {}).keys() - {"item", "features"}):
        raise ValueError(f"{shown(key)!r} is neither item nor features; remove it")
    if row is None or not is_id(row.get("item")):
        raise ValueError(f"{text.strip()[:80]!r} is not a line like {FORM}; correct or remove it")
    return str(row["item"]), read_values(row.get("features"), "features")
