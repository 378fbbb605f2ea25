"""A data set from a pandas or Polars frame, or from a table in a file: for notebooks.

Example: prepare_frame(frame, user="uid", item="sku", time="ts", output="data/clicks")
"""

import logging
from pathlib import Path

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
    columns = {"user": user, "item": item, "time": time, "category": category, "rating": rating}
    columns |= {"attribute title": title} | {f"attribute {name}": name for name in attributes}
    chosen = tuple(Where(name, tuple(map(str, values))) for name, values in (where or {}).items())
    form = Form({role: name for role, name in columns.items() if name}, min_rating=min_rating, where=chosen)
    output = Path(output)

    def read(scratch):
        if isinstance(frame, str | Path):
            return read_log(Path(frame), form, scratch)
        path = scratch / "frame.parquet"
        as_polars(frame, list(dict.fromkeys(form.wanted.values()))).write_parquet(path)
        return read_log(path, form, scratch, log_files(path))

    least = {"min_items": min_items, "min_users": min_users, "level": logging.WARNING}
    given = {"protocol": open_protocol(protocol, options), "ties": ties, "overwrite": overwrite, "extend": extend}
    meta = build(output, read, **given, **least)
    print(report(output, meta))
    return meta


def as_polars(frame, wanted=()) -> polars.DataFrame:
    """The wanted columns of a frame of pandas, of Polars' all; those that are not there are for the reader to name."""
    if isinstance(frame, polars.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, polars.DataFrame):
        return frame
    if not hasattr(frame, "columns") or not hasattr(frame, "iloc"):
        raise UserError(f"{type(frame).__name__}: neither a frame of pandas nor of Polars")
    names = [name for name in wanted if name in frame.columns] or list(map(str, frame.columns))
    return polars.DataFrame({name: _column(name, frame[name]) for name in names})


def _column(name, column):
    """A column of pandas: numbers and dates as they are, all else as Python's own values, None for none."""
    values = column.to_numpy()
    if values.dtype.kind in "iufM":
        return polars.Series(name, values, nan_to_null=values.dtype.kind == "f")
    values = [None if missing else value for value, missing in zip(column.tolist(), column.isna(), strict=True)]
    try:
        return polars.Series(name, values)
    except (TypeError, polars.exceptions.PolarsError):
        return polars.Series(name, [None if value is None else str(value) for value in values])
