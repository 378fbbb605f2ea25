"""What a second file says of items or users, joined to a log on their ids."""

import json
from typing import NamedTuple

import numpy as np
import polars

from tools.common import progress
from tools.common.ragged import Ragged, ragged
from tools.data.split_text import LONGEST_WORD
from tools.logs.blocks import read_blocks
from tools.logs.form import EMPTY, POINT, WHOLE, Form, is_pointed
from tools.logs.interactions import Interactions


class Table(NamedTuple):
    """A file with a row an item or user."""

    key: str  # column of the ids
    attributes: dict[str, str] = {}  # name -> column, which may be `COLUMN|SEPARATOR` for several values
    category: str = ""  # the attribute whose first value is the item's category
    files: tuple[str, ...] = ()  # names of the files that hold it, in a data set that is known
    form: Form = Form({})  # but for its columns
    flags: dict[str, str] = {}  # column -> the genre that a 1 in it stands for


def split_column(column, names) -> tuple[str, str]:
    """The column and the separator of `COLUMN|SEPARATOR`; `COLUMN|` alone is split at |, and a name is a name."""
    if column in names or "|" not in column:
        return column, ""
    name, _, separator = column.partition("|")
    return name, separator or "|"


def join(log: Interactions, role, sources, table: Table, names):
    """Give a log the attributes of its items or users; those whom the file has not are counted in a note.

    Args:
        log: with the names of its items and users.
        role: item or user.
        sources: the files.
        table: what of them is wanted.
        names: the columns of the files.

    Raises:
        UserError: for an unknown column or a row that is none, with file and line.
    """
    known = log.item_names if role == "item" else log.user_names
    splits = {name: split_column(column, names) for name, column in table.attributes.items()}
    columns = {f"attribute {name}": column for name, (column, _) in splits.items()}
    columns |= {f"attribute flag {column}": column for column in table.flags}
    with progress.stage(f"read {sources[0]}", quick=0) as counted:
        found = _rows(known, sources, table.form._replace(columns={"id": table.key} | columns))
        counted[f"{role}s"] = len(found)
    aligned = polars.DataFrame({"code": np.arange(len(known))}).join(
        found, on="code", how="left", maintain_order="left"
    )
    target = log.item_attributes if role == "item" else log.user_attributes
    for name, (_, separator) in splits.items():
        target[name] = _values(aligned[f"attribute {name}"], separator)
    if table.flags:
        target["genres"] = _flagged(aligned, table.flags)
    if table.category:
        log.item_category = first_values(target[table.category])
    log.notes.append(f"{len(found)} of {len(known)} {role}s are in {sources[0]}")


def _rows(known, sources, form):
    """The first row of each id that the log has, with its `code`."""
    codes = polars.DataFrame({"id": polars.Series(known.tolist(), dtype=polars.String), "code": np.arange(len(known))})
    parts = []
    for source in sources:
        for block in read_blocks(source, form):
            frame = block.frame.cast(polars.String).fill_null("")
            for one in form.where:
                frame = frame.filter(polars.col(one.role).is_in(one.values))
            if is_pointed(frame["id"]) and frame["id"].str.contains(WHOLE).all():
                frame = frame.with_columns(polars.col("id").str.replace(POINT, ""))
            ours = frame.join(codes, on="id", how="inner", maintain_order="left")
            parts.append(ours.unique("code", keep="first", maintain_order=True))
    if not parts:
        return polars.DataFrame(schema=dict.fromkeys(form.wanted, polars.String) | {"code": polars.Int64})
    return polars.concat(parts, how="diagonal").unique("code", keep="first", maintain_order=True)


def _values(column, separator) -> Ragged:
    """The values of each row; a list of JSON is several, as are texts with a separator."""
    texts = column.fill_null("")
    filled = texts.filter(texts != "")
    if len(filled) and filled.str.starts_with("[").all() and filled.str.ends_with("]").all():
        lists = polars.Series([_parse(one) for one in texts], dtype=polars.List(polars.String))
    else:
        lists = texts.str.split(separator) if separator else texts.reshape((-1, 1)).arr.to_list()
    return _ragged(lists)


def _ragged(lists) -> Ragged:
    """Rows of cleaned texts, since shops write what they like: in one line, of bounded length, none of them empty."""
    rows = polars.DataFrame({"row": np.arange(len(lists)), "text": lists}).explode("text")
    text = polars.col("text").str.replace_all(r"[\s\x00]+", " ").str.strip_chars().str.slice(0, LONGEST_WORD // 4)
    rows = rows.with_columns(text).filter(polars.col("text").is_not_null() & ~polars.col("text").is_in(EMPTY))
    return ragged(np.bincount(rows["row"], minlength=len(lists)), rows["text"].to_numpy())


def _parse(text):
    try:
        values = json.loads(text) if text else []
    except ValueError:
        return [text]
    return [one if isinstance(one, str) else json.dumps(one) for one in values]


def _flagged(frame, flags) -> Ragged:
    names = [
        polars.when(polars.col(f"attribute flag {column}") == "1").then(polars.lit(name))
        for column, name in flags.items()
    ]
    return _ragged(frame.select(lists=polars.concat_list(names).list.drop_nulls())["lists"])


def first_values(rows: Ragged) -> np.ndarray:
    """The first value of each row, '' where it has none."""
    texts = np.full(len(rows.lengths), "", object)
    filled = rows.lengths > 0
    texts[filled] = rows.values[rows.offsets[:-1][filled]]
    return texts
