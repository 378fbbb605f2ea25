"""JSON and Parquet in blocks of rows."""

import io
import json
from collections.abc import Iterator

import numpy as np
import polars
from polars.exceptions import PanicException, PolarsError

from tools.common.errors import UserError
from tools.common.files import decode, line_blocks, read_bytes, shown
from tools.data.split_text import parse_json, parse_object
from tools.logs.form import Block, is_short, rounded
from tools.logs.header import places_of

SLICE = 1 << 21  # rows of Parquet that are held at once
HEAD = 1 << 18  # bytes of JSON in which keys are looked for
JSON = (".json", ".jsonl", ".ndjson")
PARQUET = (".parquet", ".pq")


def is_parquet(source) -> bool:
    """Whether a file is Parquet by its name or its first bytes: clusters write `part-00000`."""
    if source.suffix in (*PARQUET, *JSON) or source.member or not source.path.is_file():
        return source.suffix in PARQUET
    with open(source.path, "rb") as file:
        return file.read(4) == b"PAR1"


def schema_names(source) -> list[str]:
    """The columns of a Parquet file, or the keys of the first objects of a JSON file."""
    if is_parquet(source):
        return list(_scan(source).collect_schema())
    _, data = next(line_blocks(source, HEAD), (1, b""))
    if data.lstrip()[:1] == b"[":
        rows = _parse_array(source)
    else:
        rows = [parse_line(source, number, line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    return list(dict.fromkeys(key for row in rows for key in row))


def read_json(source, form) -> Iterator[Block]:
    """The rows of a file with an object a line, or with one array of them, which is held in memory."""
    wanted = {name: polars.String for name in form.wanted.values() if name not in source.columns}
    for first, data in line_blocks(source):
        whole = first == 1 and data.lstrip()[:1] == b"["
        frame, lines = _array(source, wanted) if whole else _objects(source, data, first, wanted)
        if len(frame):
            yield _block(source, frame, lines, form)
        if whole:
            return


def _objects(source, data, first, wanted):
    lines = first + np.arange(data.count(b"\n") + (data[-1:] != b"\n"))
    try:
        frame = polars.read_ndjson(data, schema=wanted)
    except PolarsError:
        frame = polars.DataFrame(schema=wanted)
    if len(frame) != len(lines):  # a blank line, or one that is no JSON
        text = enumerate(data.split(b"\n"), first)
        rows = {number: parse_line(source, number, line) for number, line in text if line.strip()}
        frame = polars.DataFrame({name: [_text(row.get(name)) for row in rows.values()] for name in wanted}, wanted)
        lines = np.array(list(rows))
    return frame, lines


def _array(source, wanted):
    """The rows of one JSON array, which is held in memory."""
    rows = _parse_array(source)
    frame = polars.DataFrame({name: [_text(row.get(name)) for row in rows] for name in wanted}, wanted)
    return frame, np.arange(1, len(rows) + 1)


def _parse_array(source):
    try:
        rows = parse_json(decode(read_bytes(source), source))
    except ValueError as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(f"{source}{line}: not JSON: {getattr(error, 'msg', error)}; correct the file") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{source}: an array of something else than objects; write one object an event")
    return rows


def parse_line(path, number, line: bytes) -> dict:
    """The mapping that a line of JSON is; a `UserError` with file and line for another."""
    text = decode(line, path, number)
    try:
        return parse_object(text)
    except ValueError as error:
        raise UserError(f"{path}:{number}: {shown(text)!r}: {error}; correct or remove the line") from None


def _text(value):
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _scan(source):
    file = io.BytesIO(read_bytes(source)) if source.member else source.path
    return polars.scan_parquet(file, hive_partitioning=False)


def read_parquet(source, form) -> Iterator[Block]:
    """The rows of a Parquet file."""
    try:
        scanned = _scan(source)
        names = list(scanned.collect_schema())
        places = places_of(source, form, names)
        wanted = list(dict.fromkeys(names[place] for place in places.values()))
        rows = scanned.select(wanted)
        for start in range(0, rows.select(polars.len()).collect().item(), SLICE):
            frame = rows.slice(start, SLICE).collect()
            yield _block(source, frame, np.arange(start + 1, start + len(frame) + 1), form)
    except (OSError, PolarsError, PanicException) as error:
        raise UserError(f"{source}: not readable as Parquet ({shown(error, 300)}); write it again") from None


def _block(source, frame, lines, form) -> Block:
    """Numbers and clocks as they are, all else as texts."""
    columns = {}
    for role, name in form.wanted.items():
        if name not in frame.columns:
            continue
        column = frame[name]
        listed = isinstance(column.dtype, polars.List) and role.startswith("attribute ")
        if (column.dtype.is_nested() and not listed) or column.dtype == polars.Duration:
            kind = str(column.dtype).partition("(")[0]
            raise UserError(f"{source}: {name} is a column of {kind}, and must be one of texts, numbers or times")
        if role == "time" and (column.dtype.is_temporal() or column.dtype.is_numeric()):
            columns[role] = column
            continue
        if listed:
            column = polars.Series(
                [None if one is None else json.dumps(one.to_list()) for one in column], dtype=polars.String
            )
        elif column.dtype.is_float() and role in ("user", "item") and (far := _is_rounded(column)).any():
            raise rounded(f"{source}:{lines[far.arg_max()]}: {name}", column[far.arg_max()])
        elif column.dtype.is_float() and _is_whole(column):
            column = polars.select(polars.concat_str(column.cast(polars.Int64), polars.lit(".0"))).to_series()
        if not column.dtype.is_integer():
            column = column.cast(polars.String)
            if (bad := column.str.contains("[\0\r\n]")).any() and is_short(role):  # maps are read line by line
                number = lines[bad.arg_max()]
                raise UserError(f"{source}:{number}: {name} has a line end or NUL; correct or remove the row")
        columns[role] = column
    return Block(polars.DataFrame(columns), lines)


def _is_rounded(column):
    """Where a number is so large that its neighbours are no longer whole numbers one after the other."""
    return column.is_finite() & (column.abs() > 2 ** (24 if column.dtype == polars.Float32 else 53))


def _is_whole(column):
    known = column.drop_nulls()
    return len(known) > 0 and known.is_finite().all() and (known == known.floor()).all() and known.abs().max() < 2**53
