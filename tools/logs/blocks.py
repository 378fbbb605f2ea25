"""Files of a log in blocks of rows, through Polars: delimited text, JSON or Parquet."""

from collections.abc import Iterator

import polars

from tools.common.files import decode, line_blocks
from tools.common.packed import Source
from tools.logs.delimited import read_delimited
from tools.logs.form import Block, Form
from tools.logs.header import read_header
from tools.logs.structured import JSON, is_parquet, read_json, read_parquet, schema_names

HEAD = 1 << 18  # bytes of text in which names are looked for


def read_blocks(source: Source, form: Form) -> Iterator[Block]:
    """The rows of a file: a column a role, '' or null for none.

    Columns that the file has not may be those that the names of its folders give.

    Raises:
        UserError: for an unknown column or a row that is none, with file and line.
    """
    if is_parquet(source):
        blocks = read_parquet(source, form)
    elif source.suffix in JSON:
        blocks = read_json(source, form)
    else:
        blocks = read_delimited(source, form)
    for block in blocks:
        for role, name in form.wanted.items():
            if role not in block.frame.columns:
                block.frame.insert_column(
                    0, polars.Series(role, [source.columns[name]]).new_from_index(0, len(block.lines))
                )
        yield block


def names_of(source: Source, form: Form) -> list[str]:
    """The columns of a file: those of its header, of Parquet's schema, or the keys of JSON's first objects."""
    if source.suffix in JSON or is_parquet(source):
        return schema_names(source)
    first, data = next(line_blocks(source, HEAD), (1, b""))
    names, _ = read_header(source, decode(data.lstrip(b"\n ").partition(b"\n")[0], source, first), form)
    return form.names or (names if form.header else [str(place) for place in range(1, len(names) + 1)])
