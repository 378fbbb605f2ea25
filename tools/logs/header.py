"""The first line of delimited text: what its columns are called and what stands between them."""

import csv

from tools.common.errors import UserError, did_you_mean
from tools.common.files import shown
from tools.logs.form import Form

NO_ROWS = "no rows below the header; nothing to prepare"
INNER = (b"\x1f", b"\x1e", b"\x1d", b"\x1c", b"\x02")  # bytes that stand in for a separator of several
SEPARATORS = ("\t", ",", ";", "|")


def read_header(source, line, form: Form) -> tuple[list[str], str]:
    """The fields of a first line without spaces around them, and what is between: `form.separator`, or what it shows.

    Raises:
        UserError: for a line that is no row.
    """
    separator = form.separator or _separator(line)
    if len(separator) > 1:
        return [name.strip() for name in line.split(separator)], separator
    options = {"quotechar": form.quote} if form.quote else {"quoting": csv.QUOTE_NONE}
    try:
        names = next(csv.reader([line], delimiter=separator, strict=True, escapechar=form.escape, **options), [])
    except csv.Error as error:
        raise UserError(f"{source}:1: the header is not readable as CSV ({shown(error)}); correct it") from None
    return [name.strip() for name in names], separator


def _separator(line):
    if "::" in line and "," not in line and "\t" not in line:
        return "::"
    return next((one for one in SEPARATORS if one in line), ",")


def check_columns(source, wanted, names):
    """Refuse columns that are not there, or twice."""
    for name in wanted:
        if not names:
            raise UserError(f"{source}: empty; nothing to prepare")
        if name not in names:
            known, folded = shown(", ".join(names), 300), {one.casefold(): one for one in map(shown, names)}
            near = folded.get(name.casefold())
            told = f"; did you mean {near}?" if near else did_you_mean(name, map(shown, names))
            if getattr(source, "member", ""):
                told += f"; for one file of the archive give {source.path}/NAME"
            raise UserError(f"{source}:1: no column {shown(name)!r} among {known}{told}")
        if names.count(name) > 1:
            raise UserError(f"{source}:1: the column {name!r} occurs twice; rename one of them")


def places_of(source, form, names) -> dict[str, int]:
    """Role -> place of its column among the names, but for those that the folders give."""
    check_columns(source, [one for one in form.wanted.values() if one not in source.columns or one in names], names)
    return {role: names.index(name) for role, name in form.wanted.items() if name in names}
