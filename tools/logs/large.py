"""Logs of any size through Polars: CSV, TSV, JSON lines or Parquet, one file or a folder of them.

Files go through memory a block at a time, each row's texts into Parquet parts in a scratch folder; Polars' streaming
engine numbers users and items, and the codes that come out lie in files of that folder. So what is held in memory grows
with users and items, not with rows.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tools.common import progress
from tools.common.errors import UserError
from tools.common.files import sha256
from tools.common.ragged import single, words_of
from tools.common.written import save_array
from tools.logs.interactions import Interactions
from tools.logs.polars_blocks import JSON, Form, load_polars, log_files, read_blocks
from tools.logs.tables import NO_ROWS, parse_numbers, sift

LARGE = 1 << 26  # bytes of a file from which on Polars, where it is installed, is worth its start


def wants_engine(path: Path) -> bool:
    """Whether a table is for Polars: a folder, what only Polars reads, or a large file where Polars is installed."""
    if path.is_dir() or set(path.suffixes[-2:]) & {".parquet", *JSON}:
        return True
    return path.is_file() and path.stat().st_size >= LARGE and find_spec("polars") is not None


def read_log(path: Path, form: Form, scratch: Path) -> Interactions:
    """A log with its codes in files of `scratch`, as `tools.logs.tables.read_table` gives it in memory.

    Raises:
        UserError: without Polars, for an unknown column, a row that is none or a value that is no number.
    """
    load_polars(f"{path}: reading it")
    files = log_files(path)
    blocks = ((file, block) for file in files for block in read_blocks(file, form))
    parts, dropped = _write_parts(progress.progress(blocks, name="read"), form, scratch)
    if not parts:
        raise UserError(f"{path}: {NO_ROWS}")
    with progress.stage("number users and items", quick=0):
        log = _number(parts, form, scratch)
    log.source = {"name": path.name, "sha256": sha256(*files)}
    log.dropped = dropped
    return log


def _write_parts(blocks, form, scratch):
    """Write what stays: texts with a `row` from 0 as Parquet, and times; gives the files, and what was left out why."""
    import polars

    parts: list[Path] = []
    dropped: dict[str, int] = {}
    row = 0
    for path, block in blocks:
        times, kept, left_out = _sift(path, block, form)
        dropped = {reason: dropped.get(reason, 0) + rows for reason, rows in left_out.items()}
        frame = block.frame.select(polars.exclude("time", "rating", "behavior").cast(str)).filter(polars.Series(kept))
        parts.append(scratch / f"{len(parts)}.parquet")
        save_array(parts[-1].with_suffix(".npy"), times[kept])
        frame.with_row_index("row", row).cast({"row": polars.Int64}).write_parquet(parts[-1], compression="lz4")
        row += len(frame)
    return parts, dropped


def _sift(path, block, form):
    frame, names = block.frame, form.columns
    times = _numbers(path, block, "time", names)
    bad = {f"{names[role]} is empty": (frame[role].cast(str) == "").to_numpy() for role in ("user", "item")}
    if form.min_rating is not None:
        rating = _numbers(path, block, "rating", names)
        bad[f"{names['rating']} below {form.min_rating:g}"] = ~(rating >= form.min_rating)
    if form.behaviors:
        rest = f"{names['behavior']} is not {' or '.join(form.behaviors)}"
        bad[rest] = ~frame["behavior"].is_in(form.behaviors).to_numpy()
    kept, dropped = sift(bad)
    return times, kept, dropped


def _numbers(path, block, role, names):
    import polars

    column = block.frame[role]
    whole = column.cast(polars.Int64, strict=False) if column.dtype != polars.UInt64 else column
    column = whole if not whole.null_count() else column
    return parse_numbers(path, column.to_numpy(), names[role], block.lines)


def _number(parts, form, scratch) -> Interactions:
    """Codes by first appearance."""
    import polars

    log, time = polars.scan_parquet(parts), _join_times(parts, scratch)
    users, items = (_table(log, role) for role in ("user", "item"))
    user, item = (_codes(log, table, len(time), scratch) for table in (users, items))
    found = Interactions(user, item, time, users["user"].to_numpy(), items["item"].to_numpy(), {})
    if "category" in form.columns:
        first = log.select("row", "category").join(items.lazy().select(row="first"), on="row").sort("row")
        found.item_category = np.array(first.collect(engine="streaming")["category"].to_list(), str)
        found.item_attributes = {form.columns["category"]: single(found.item_category)}
    if "query" in form.columns:
        asked = _table(log, "query")
        found.query = _codes(log, asked, len(time), scratch)
        found.query_words = words_of(np.array(asked["query"].to_list(), str))
    return found


def _join_times(parts, scratch):
    times = [np.load(part.with_suffix(".npy"), mmap_mode="r") for part in parts]
    time = _array(scratch, "time", np.result_type(*times), sum(map(len, times)))
    return np.concatenate(times, out=time)


def _table(log, role):
    """The different values of a column by first appearance, and the row of it."""
    import polars

    table = log.group_by(role).agg(first=polars.col("row").min()).sort("first")
    return table.collect(engine="streaming")


def _codes(log, table, rows, scratch):
    (role,) = set(table.columns) - {"first"}
    numbers = table.lazy().select(role).with_row_index("code")
    codes = _array(scratch, role, np.int32, rows)
    for batch in (
        log.select("row", role)
        .join(numbers, on=role)
        .select("row", "code")
        .collect_batches(engine="streaming", maintain_order=False)
    ):
        codes[batch["row"].to_numpy()] = batch["code"].to_numpy()
    return codes


def _array(scratch, name, kind, rows):
    """An array in a file, or in memory where it is empty, as a file cannot be."""
    return np.lib.format.open_memmap(scratch / f"{name}.npy", "w+", kind, (rows,)) if rows else np.empty(0, kind)
