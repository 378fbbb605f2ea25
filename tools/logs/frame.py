"""A data set from a pandas or Polars frame, or from a table in a file: for notebooks.

Example: prepare_frame(frame, user="uid", item="sku", time="ts", output="data/clicks")
"""

import contextlib
import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars

from tools.common.errors import UserError
from tools.logs.engine import read_log
from tools.logs.form import Form, Where
from tools.logs.pipeline import build, report
from tools.logs.protocol import open_protocol
from tools.logs.sources import log_files


def prepare_frame(
    frame, *, user, item, time=None, category=None, title=None, attributes=(), rating=None, min_rating=None, where=None,
    output, protocol="comirec", min_items=5, min_users=5, ties="draw", overwrite=False, extend=None, **options,
) -> dict:  # fmt: skip
    """Write the folder of a data set and print what `tools.preprocess` prints; gives the content of its `meta.yaml`.

    Args:
        frame: of pandas or Polars, a row an event; or the path of a table, see `tools.preprocess table`.
        user, item, time, category, title, rating: names of columns; without `time` the order is that of the rows.
        attributes: columns of what an item has.
        min_rating: leave out rows with a lower rating.
        where: column -> values that count.
        output: the folder.
        protocol, min_items, min_users, ties, overwrite, extend: as `tools.preprocess table`.
        options: those of the protocol, such as `test_from` and `cold`.

    Raises:
        UserError: as `tools.preprocess table`.
    """
    columns: dict[str, Any] = {"user": user, "item": item, "time": time, "category": category, "rating": rating}
    columns |= {"attribute title": title} | {f"attribute {name}": name for name in attributes}
    chosen = tuple(Where(str(name), tuple(map(str, values))) for name, values in (where or {}).items())
    named = {role: str(name) for role, name in columns.items() if name is not None}
    form = Form(named, min_rating=min_rating, where=chosen)
    output = Path(output)
    least = {"min_items": min_items, "min_users": min_users, "level": logging.WARNING}
    given = {"protocol": open_protocol(protocol, options), "ties": ties, "overwrite": overwrite, "extend": extend}
    meta = build(output, partial(_read, frame, form), **given, **least)
    print(report(output, meta))
    return meta


def _read(frame, form, scratch):
    """The log of a frame or of the path of a table, from a scratch folder."""
    if isinstance(frame, str | Path):
        return read_log(Path(frame), form, scratch)
    path = scratch / "frame.parquet"
    table = as_polars(frame, list(dict.fromkeys(form.wanted.values())))
    table.select(polars.exclude(polars.Object)).write_parquet(path)  # which no file holds
    try:
        return read_log(path, form, scratch, log_files(path))
    except UserError as error:  # which names a file that is gone by then
        raise UserError(str(error).replace(str(path), "frame")) from None


def as_polars(frame, wanted=()) -> polars.DataFrame:
    """The wanted columns of a frame of pandas, of Polars' all; those that are not there are for the reader to name."""
    if isinstance(frame, polars.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, polars.DataFrame):
        return frame
    if not hasattr(frame, "columns") or not hasattr(frame, "iloc"):
        raise UserError(f"{type(frame).__name__}: neither a frame of pandas nor of Polars")
    labels = list(map(str, frame.columns))  # of pandas they may be numbers, or several in a tuple
    for name in wanted:
        if labels.count(name) > 1:
            raise UserError(f"frame: the column {name!r} occurs twice; rename one of them")
        if name not in labels and name in map(str, frame.index.names):
            raise UserError(f"frame: {name!r} is its index, and no column; give frame.reset_index()")
    names = [name for name in wanted if name in labels] or list(dict.fromkeys(labels))
    return polars.DataFrame({name: _column(name, frame.iloc[:, labels.index(name)]) for name in names})


def _column(name, column):
    """A column of pandas: numbers and dates as they are, all else as Python's own values, None for none."""
    values = column.to_numpy()
    if values.dtype.kind == "M" and np.datetime_data(values.dtype)[0] not in ("ms", "us", "ns"):
        values = values.astype("datetime64[us]")
    if values.dtype.kind in "iufM":
        return polars.Series(name, values, nan_to_null=values.dtype.kind == "f")
    values = [None if missing else value for value, missing in zip(column.tolist(), column.isna(), strict=True)]
    with contextlib.suppress(TypeError, polars.exceptions.PolarsError):
        found = polars.Series(name, values)
        if found.dtype != polars.Object:
            return found
    return polars.Series(name, [None if value is None else str(value) for value in values])
