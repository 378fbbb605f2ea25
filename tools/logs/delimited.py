"""Delimited text in blocks of rows: what is beyond doubt through Polars, all else row by row."""

import csv
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars
from polars.exceptions import PolarsError

from tools.common.errors import UserError
from tools.common.files import decode, line_blocks, lines_of, shown
from tools.data.split_text import LONGEST_WORD
from tools.logs.form import Block, is_short
from tools.logs.header import INNER, places_of, read_header

STRICT = 1 << 22  # bytes of text that become rows of Python's at once
ODD = (b"\0", b"\n\n", b"\n ")  # what is no text, blank lines: the strict reader's, as are quotes


def read_delimited(source, form) -> Iterator[Block]:
    """The rows of a text whose fields are parted by a separator; errors as `tools.logs.blocks.read_blocks`."""
    names, separator = form.names, form.separator
    places: dict[str, int] = {}
    for first, data in line_blocks(source):
        if not places:
            blank = data[: len(data) - len(data.lstrip(b"\n "))].count(b"\n") if form.header else 0
            first, data = first + blank, data.split(b"\n", blank)[-1]
            head = data.lstrip(b"\n ").partition(b"\n")[0] if not form.header else data.partition(b"\n")[0]
            found, separator = read_header(source, decode(head, source, first), form)
            names = names or (found if form.header else [str(place) for place in range(1, len(found) + 1)])
            places = places_of(source, form, names)
            if form.header:
                first, data = first + 1, data[len(head) + 1 :]
        if data.strip(b" \n"):
            yield from _rows(source, data, first, names, separator, places, form)
    if not places:
        places_of(source, form, [])


def _rows(source, data, first, names, separator, places, form):
    if len(separator) > 1:
        data, separator = _one_byte(source, data, separator)
    block = _quick_rows(data, first, len(names), separator, places, form)
    if block is not None:
        yield block
        return
    while data:  # a piece at a time, since rows of Python's take ten times the room
        cut = data.find(b"\n", STRICT) + 1 or len(data)
        piece, data = data[:cut], data[cut:]
        if text := lines_of(decode(piece, source, first), first):
            yield _strict_rows(source, text, names, separator, places, form)
        first += piece.count(b"\n")


def _one_byte(source, data, separator):
    """The text with a separator of one byte, since Polars and csv know no other."""
    inner = next((one for one in INNER if one not in data), None)
    if inner is None:
        raise UserError(f"{source}: text full of control characters; is this a text file?")
    return data.replace(separator.encode(), inner), inner.decode()


def _quick_rows(data, first, width, separator, places, form) -> Block | None:
    """The rows of lines that are beyond doubt; None for others, on which the strict reader has its say."""
    odd = (*ODD, form.quote.encode()) if form.quote else ODD
    if data[:1] in (b"\n", b" ") or any(one in data for one in odd):
        return None
    schema = {f"column_{place}": polars.String for place in range(1, width + 1)}
    try:
        frame = polars.read_csv(data, has_header=False, separator=separator, quote_char=None, schema=schema)
    except PolarsError:
        return None
    if data.count(separator.encode()) != len(frame) * (width - 1):
        return None
    texts = {role: frame[:, place].fill_null("") for role, place in places.items()}
    if any((text.str.len_bytes().max() or 0) > LONGEST_WORD for role, text in texts.items() if is_short(role)):
        return None
    return Block(polars.DataFrame(texts), first + np.arange(len(frame)))


def _strict_rows(source, text, names, separator, places, form) -> Block:
    options: dict[str, Any] = {"delimiter": separator, "strict": True, "escapechar": form.escape}
    options |= {"quotechar": form.quote} if form.quote else {"quoting": csv.QUOTE_NONE, "quotechar": None}
    try:
        rows = list(csv.reader((line for _, line in text), **options))
        fine = len(rows) == len(text) and set(map(len, rows)) == {len(names)}
    except csv.Error:
        fine = False
    if not fine or max(len(line) for _, line in text) > LONGEST_WORD:
        _check_rows(source, text, options, names, places)
    columns = list(zip(*rows, strict=True))
    frame = polars.DataFrame(
        {role: polars.Series(columns[place], dtype=polars.String) for role, place in places.items()}
    )
    return Block(frame, np.array([number for number, _ in text]))


def _check_rows(source, rows, options, names, places):
    """Refuse the first row that is none."""
    for number, line in rows:
        reason = None
        try:
            (row,) = csv.reader([line], **options)
        except csv.Error as error:
            reason = f"not readable as CSV ({shown(error)})"
        else:
            long = [
                names[one]
                for role, one in places.items()
                if is_short(role) and one < len(row) and len(row[one]) > LONGEST_WORD
            ]
            if len(row) != len(names):
                reason = f"{len(row)} fields, the header has {len(names)}"
            elif long:
                reason = f"{long[0]} has more than {LONGEST_WORD} characters"
        if reason:
            raise UserError(f"{source}:{number}: {reason}; correct or remove the row")
