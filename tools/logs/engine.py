"""Logs of any size through Polars: delimited text, JSON or Parquet, one file, a folder or an archive of them.

Files go through memory a block at a time, each row's texts into Parquet parts in a scratch folder; Polars' streaming
engine numbers users and items, and the codes that come out lie in files of that folder. So what is held in memory grows
with users and items, not with rows.
"""

from pathlib import Path

import numpy as np
import polars

from tools.common import progress
from tools.common.errors import UserError
from tools.common.files import sha256
from tools.common.ragged import single, words_of
from tools.common.written import save_array
from tools.logs.blocks import read_blocks
from tools.logs.form import EMPTY, POINT, WHOLE, Form, check_roles, check_rounded
from tools.logs.header import NO_ROWS
from tools.logs.interactions import Interactions
from tools.logs.sift import Sieve
from tools.logs.sources import log_files, twins


def read_log(path: Path, form: Form, scratch: Path, files=None) -> Interactions:
    """A log with its codes in files of `scratch`.

    Rows without a user, an item or a time are left out, as those are that the form leaves out, and counted. Times are
    int64 where all of them are whole, float64 otherwise; without a column of times they are the places in the log.

    Args:
        path: of the log, in messages and in `source`.
        form: of its files.
        scratch: an empty folder.
        files: the `Source`s; None: those of `path`.

    Raises:
        UserError: for an unknown column, a row that is none or a value that is no number or time.
    """
    check_roles(form)
    files = log_files(path) if files is None else files
    sieve = Sieve(form, files)
    blocks = ((file, block) for file in files for block in read_blocks(file, form))
    parts = _write_parts(progress.progress(blocks, name="read"), sieve, scratch)
    if not parts:
        raise UserError(f"{path}: {NO_ROWS}")
    sieve.check_keys()
    with progress.stage("number users and items", quick=0):
        log = _number(parts, sieve, scratch)
    log.source = {"name": path.name, "sha256": sha256(*dict.fromkeys(file.path for file in files))}
    log.dropped = sieve.dropped
    log.notes = sieve.notes() + log.notes + twins(files)
    return log


def _write_parts(blocks, sieve, scratch):
    """Write what stays: texts with a `row` from 0 as Parquet, and times; gives the files."""
    parts: list[Path] = []
    row = 0
    for path, block in blocks:
        frame, times = sieve.sift(path, block)
        parts.append(scratch / f"{len(parts)}.parquet")
        if times is not None:
            save_array(parts[-1].with_suffix(".npy"), times)
        frame.with_row_index("row", row).cast({"row": polars.Int64}).write_parquet(parts[-1], compression="lz4")
        row += len(frame)
    return parts


def _number(parts, sieve, scratch) -> Interactions:
    """Codes by first appearance."""
    form, notes = sieve.form, []
    log = polars.scan_parquet(parts)
    for role in sorted(sieve.pointed):
        pointed = polars.col(role)
        if log.select(pointed.str.contains(WHOLE).all()).collect(engine="streaming").item():
            log = log.with_columns(pointed.str.replace(POINT, ""))
            notes.append(f"{form.columns[role]}: all ids are whole, 1.0 is read as 1")
    time = _join_times(parts, sieve, scratch, log)
    users, items = (_table(log, role) for role in ("user", "item"))
    for one in (users, items):
        check_rounded(one[one.columns[0]], form.columns[one.columns[0]])
    user, item = (_codes(log, table, len(time), scratch) for table in (users, items))
    notes += [one for table in (users, items) for one in _unlikely(table, len(time))]
    found = Interactions(user, item, time, users["user"].to_numpy(), items["item"].to_numpy(), {}, notes=notes)
    found.clock = "time" in form.columns
    for role in [one for one in form.columns if one == "category" or one.startswith("attribute ")]:
        first = log.select("row", role).join(items.lazy().select(row="first"), on="row").sort("row")
        texts = first.collect(engine="streaming")[role]
        texts = texts.set(texts.is_in(EMPTY), "").to_numpy()
        if role == "category":
            found.item_category = texts
        found.item_attributes[form.columns[role] if role == "category" else role.partition(" ")[2]] = single(texts)
    if "query" in form.columns:
        asked = _table(log, "query")
        found.query = _codes(log, asked, len(time), scratch)
        found.query_words = words_of(asked["query"].to_list())
    return found


def _join_times(parts, sieve, scratch, log):
    if sieve.unit is None:
        return np.arange(log.select(polars.len()).collect().item())
    times = [np.load(part.with_suffix(".npy"), mmap_mode="r") for part in parts]
    time = _array(scratch, "time", np.result_type(*times), sum(map(len, times)))
    if not len(time):
        return time
    np.concatenate(times, out=time)
    if sieve.unit.dates and sieve.unit.finest > 1:
        np.floor_divide(time, sieve.unit.finest, out=time)
    return time


def _table(log, role):
    """The different values of a column by first appearance, the row of it, and how many rows have it."""
    table = log.group_by(role).agg(first=polars.col("row").min(), count=polars.len()).sort("first")
    return table.collect(engine="streaming")


def _unlikely(table, rows):
    """A word on a user or item that holds a share of the log as only a bot or an id for unknown does."""
    role = table.columns[0]
    if not rows or (top := table["count"].max()) < max(LIKELY[role] * rows, 10 * rows / len(table)):
        return []
    name = table[role][table["count"].arg_max()]
    told = "of all events: an id for the unknown, or a bot? --where and the log itself can leave it out"
    return [f"warning: {role} {name!r} holds {100 * top / rows:.1f} % {told}"]


LIKELY = {"user": 0.05, "item": 0.2}  # the largest share of a log that needs no word


def _codes(log, table, rows, scratch):
    role = table.columns[0]
    numbers = table.lazy().select(role).with_row_index("code")
    codes = _array(scratch, role, np.int32, rows)
    joined = log.select("row", role).join(numbers, on=role).select("row", "code")
    for batch in joined.collect_batches(engine="streaming", maintain_order=False):
        codes[batch["row"].to_numpy()] = batch["code"].to_numpy()
    return codes


def _array(scratch, name, kind, rows):
    """An array in a file, or in memory where it is empty, as a file cannot be."""
    return np.lib.format.open_memmap(scratch / f"{name}.npy", "w+", kind, (rows,)) if rows else np.empty(0, kind)
