"""A data set of a log in Python: a frame, a table in a file, or MovieLens 100K."""

import logging
from pathlib import Path

from tools.common.errors import UserError
from tools.common.passing import PassingFolder
from tools.data.prepared import Data
from tools.logs.frame import prepare_frame
from tools.logs.interactions import read_movielens
from tools.logs.pipeline import build, report
from tools.logs.protocol import open_protocol

MOVIELENS = "movielens-100k"


def prepare(
    log, *, user=None, item=None, time=None, category=None, title=None, attributes=(), rating=None, min_rating=None,
    where=None, output=None, protocol="comirec", min_items=5, min_users=5, ties=None, overwrite=False,
    extend=None, **options,
) -> Data:  # fmt: skip
    """Make a data set of a log, as `tools.preprocess table` does, and print the same report.

    Args:
        log: a frame of pandas or Polars, the path of a table, or `movielens-100k`, which is downloaded.
        output: the folder; None: a temporary one.
        user, item, time, category, title, attributes, rating, min_rating, where, protocol, min_items, min_users, ties,
            overwrite, extend, options: see `tools.logs.frame.prepare_frame`.

    Raises:
        UserError: as `tools.preprocess`.
    """
    held = None if output else PassingFolder()
    folder = held.path / "data" if held else Path(output)
    if isinstance(log, str | Path) and str(log) == MOVIELENS:
        if any((user, item, time, category, title, attributes, rating, where, extend)):
            raise UserError(f"{MOVIELENS} has columns of its own and is extended by none; leave out user, extend …")
        meta = build(
            folder, lambda _: read_movielens(folder.parent / "download"), protocol=open_protocol(protocol, options),
            min_items=min_items, min_users=min_users, overwrite=overwrite, ties=ties or "", level=logging.WARNING,
        )  # fmt: skip
        print(report(folder, meta))
        return Data(folder, held=held)
    if user is None or item is None:
        raise UserError("user and item are missing; name their columns, as in prepare(log, user='uid', item='sku')")
    prepare_frame(
        log, user=user, item=item, time=time, category=category, title=title, attributes=attributes, rating=rating,
        min_rating=min_rating, where=where, output=folder, protocol=protocol, min_items=min_items, min_users=min_users,
        ties=ties or "draw", overwrite=overwrite, extend=extend, **options,
    )  # fmt: skip
    columns = {"user": str(user), "item": str(item), "time": None if time is None else str(time)}
    return Data(folder, columns=columns, pandas=hasattr(log, "iloc"), held=held)
