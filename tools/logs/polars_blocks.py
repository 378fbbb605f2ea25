"""Files of a log in blocks of rows, through Polars: CSV, TSV, JSON lines or Parquet, plain or compressed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tools.common.errors import UserError
from tools.common.files import decode, line_blocks, lines_of, shown
from tools.data.split_text import LONGEST_WORD, parse_object
from tools.logs.tables import check_columns, parse_rows, read_header

if TYPE_CHECKING:
    import polars

SLICE = 1 << 21  # rows of Parquet that are held at once
ODD = (b'"', b"\0", b"\n\n", b"\n ")  # quotes, what is no text, blank lines: the strict reader's
JSON = (".json", ".jsonl", ".ndjson")


class Form(NamedTuple):
    """What stands where in a log, and which of its rows count."""

    columns: dict[str, str]  # user, item, time and perhaps category, query, rating, behavior -> name of the column
    names: list[str] | None = None  # of all columns, for files without a header
    min_rating: float | None = None  # rows with a lower one are left out
    behaviors: tuple[str, ...] = ()  # rows with another one are left out


class Block(NamedTuple):
    """Rows of a file."""

    frame: "polars.DataFrame"  # a column a role, texts, '' for none; times and ratings may be whole numbers
    lines: np.ndarray  # of each row


def load_polars(why):
    """Polars; a `UserError` that says why it is needed and how it is installed."""
    try:
        import polars
    except ImportError:
        raise UserError(f"{why} needs an extra; install it with: pip install '.[parquet]'") from None
    return polars


def log_files(path: Path) -> list[Path]:
    """A file, or all files of a folder by name; hidden ones and those that begin with _ are left out."""
    if not path.is_dir():
        return [path]
    files = sorted(one for one in path.iterdir() if one.is_file() and one.name[0] not in "._")
    if not files:
        raise UserError(f"{path}: no files in this folder; give the log, or a folder of its files")
    return files


def read_blocks(path: Path, form: Form) -> Iterator[Block]:
    """The rows of a file.

    Raises:
        UserError: for an unknown column or a row that is none, with file and line.
    """
    if path.suffix == ".parquet":
        return _parquet(path, form)
    return (_json if any(kind in JSON for kind in path.suffixes[-2:]) else _delimited)(path, form)


def _delimited(path, form) -> Iterator[Block]:
    wanted, names, delimiter = list(form.columns.values()), form.names, ","
    for first, data in line_blocks(path):
        if names is None:
            head, _, data = data.partition(b"\n")
            names, delimiter = read_header(path, decode(head, path), wanted)
            first += 1
        if data.strip(b" \n"):
            yield _quick_rows(data, first, names, delimiter, form) or _strict_rows(
                path, data, first, names, delimiter, form
            )
    if names is None:
        read_header(path, "", wanted)


def _quick_rows(data, first, names, delimiter, form) -> Block | None:
    """The rows of lines that are beyond doubt; None for others, on which the strict reader has its say."""
    import polars

    if data[:1] in (b"\n", b" ") or any(odd in data for odd in ODD):
        return None
    schema = {f"column_{place}": polars.String for place in range(1, len(names) + 1)}
    try:
        frame = polars.read_csv(data, has_header=False, separator=delimiter, quote_char=None, schema=schema)
    except polars.exceptions.PolarsError:
        return None
    if data.count(delimiter.encode()) != len(frame) * (len(names) - 1):
        return None
    texts = {role: frame[:, names.index(name)].fill_null("") for role, name in form.columns.items()}
    if max(one.str.len_bytes().max() for one in texts.values()) > LONGEST_WORD:
        return None
    return Block(polars.DataFrame(texts), first + np.arange(len(frame)))


def _strict_rows(path, data, first, names, delimiter, form) -> Block:
    import polars

    text = lines_of(decode(data, path, first), first)
    columns = parse_rows(path, text, names, delimiter, list(form.columns.values()))
    texts = {role: columns[name].tolist() for role, name in form.columns.items()}
    return Block(polars.DataFrame(texts), np.array([number for number, _ in text]))


def _json(path, form) -> Iterator[Block]:
    import polars

    wanted = dict.fromkeys(form.columns.values(), polars.String)
    for first, data in line_blocks(path):
        lines = first + np.arange(data.count(b"\n") + (data[-1:] != b"\n"))
        try:
            frame = polars.read_ndjson(data, schema=wanted)
        except polars.exceptions.PolarsError:
            frame = polars.DataFrame(schema=wanted)
        if len(frame) != len(lines):  # a blank line, or one that is no JSON
            text = enumerate(data.split(b"\n"), first)
            rows = {number: parse_line(path, number, line) for number, line in text if line.strip()}
            frame = polars.DataFrame({name: [_text(row.get(name)) for row in rows.values()] for name in wanted}, wanted)
            lines = np.array(list(rows))
        if len(frame):
            yield _block(path, frame, lines, form)


def parse_line(path, number, line: bytes) -> dict:
    """The mapping that a line of JSON is; a `UserError` with file and line for another."""
    text = decode(line, path, number)
    try:
        return parse_object(text)
    except ValueError as error:
        raise UserError(f"{path}:{number}: {shown(text)!r}: {error}; correct or remove the line") from None


def _text(value):
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _parquet(path, form) -> Iterator[Block]:
    import polars

    wanted = list(dict.fromkeys(form.columns.values()))
    try:
        names = polars.read_parquet_schema(path)
        check_columns(path, wanted, list(names))
        rows = polars.scan_parquet(path).select(wanted)
        for start in range(0, rows.select(polars.len()).collect().item(), SLICE):
            frame = rows.slice(start, SLICE).collect()
            yield _block(path, frame, np.arange(start + 1, start + len(frame) + 1), form)
    except (OSError, polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
        raise UserError(f"{path}: not readable as Parquet ({shown(error, 300)}); write it again") from None


def _block(path, frame, lines, form) -> Block:
    """Whole numbers as they are, dates as whole numbers, all else as texts, '' for none."""
    import polars

    columns = {}
    for role, name in form.columns.items():
        column = frame[name].to_physical() if frame[name].dtype.is_temporal() else frame[name]
        if not column.dtype.is_integer() or column.null_count():
            column = column.cast(str).fill_null("")
            if (bad := column.str.contains("[\0\r\n]")).any():  # our maps are read line by line
                number = lines[bad.arg_max()]
                raise UserError(f"{path}:{number}: {name} has a line end or NUL; correct or remove the row")
        columns[role] = column
    return Block(polars.DataFrame(columns), lines)
