"""Histories as CSV rows user,item, for `tools.predict`."""

import csv
import logging
import re
from collections.abc import Container

from tools.common.errors import UserError, did_you_mean
from tools.common.files import lines_of, shown
from tools.serving.histories import Fault, History

# What headers call the two, without case and signs: user_id, "User ID" and user_id:token are userid.
USERS = ("user", "userid", "uid", "usr", "visitorid", "visitor", "customerid", "customer", "reviewerid", "memberid")
ITEMS = (
    "item", "itemid", "iid", "productid", "product", "movieid", "movie", "articleid", "article", "asin", "parentasin",
    "sku", "trackid", "track", "bookid", "book", "isbn",
)  # fmt: skip
COLUMNS = "name two columns of the header with --user and --item"


def read_csv(text, name, *, known: Container | None = None, columns=(None, None), header=True) -> list[History | Fault]:
    """Histories of rows user,item, users by first appearance, and a `Fault` for each row that is none.

    What else stands of a user with such a row is left out, since the list would be that of another history.

    Args:
        text: the rows.
        name: of the file, for messages.
        known: the user's own ids of the model's items: the first row is a header where its item is none of them.
        columns: what the header calls users and items; None: two columns, in the order of the header's spelling.
        header: whether there may be a header.

    Raises:
        UserError: where the header has no such columns.
    """
    lines = lines_of(text)
    first = _fields(lines[0][1]) if lines else None
    if any(columns):
        user, item = _named(first or [], columns, f"{name}:{lines[0][0]}" if lines else name)
        width, lines = len(first or []), lines[1:]
    else:
        places = _header(first or [], lines, known, name) if header else None
        user, item = places or (0, 1)
        width, lines = 2, lines[1:] if places else lines
    rule = "a row is user,item" if width == 2 else f"the header has {width}"
    found: dict = {}  # a user's items, or by its line what is no row
    for number, line in lines:
        row = _fields(line)
        if row is None or len(row) != width:
            what = "not readable as CSV" if row is None else f"{len(row)} fields; {rule}"
            more = f", or {COLUMNS}" if row and width == 2 < len(row) else ""
            who = row[user] if row and len(row) > user else None
            found[number] = Fault(who, number, f"{name}:{number}: {what}: mend or remove it{more}")
        else:
            found.setdefault(row[user], []).append(row[item])
    spoilt = {one.user for one in found.values() if isinstance(one, Fault)}
    return [
        one if isinstance(one, Fault) else History(key, one)
        for key, one in found.items()
        if isinstance(one, Fault) or key not in spoilt
    ]


def _fields(line) -> list[str] | None:
    try:
        (row,) = csv.reader([line], strict=True)
    except csv.Error:
        return None
    return row


def _named(header, columns, where) -> tuple[int, int]:
    """The places of the two columns."""
    user, item = (one or default for one, default in zip(columns, ("user", "item"), strict=True))
    for option, one in (("--user", user), ("--item", item)):
        if header.count(one) != 1:
            has = f"has {', '.join(map(shown, header)) or 'nothing'}"
            raise UserError(
                f"{where}: the header {has}, not once {shown(one)!r} for {option}{did_you_mean(one, header)}"
            )
    return header.index(user), header.index(item)


def _header(first, lines, known, name) -> tuple[int, int] | None:
    """The places of user and item where the first row is a header, None where it is a row."""
    words = [re.sub(r"[^\w]|_", "", one.partition(":")[0]).lower() for one in first]
    users, items = ([place for place, one in enumerate(words) if one in names] for names in (USERS, ITEMS))
    if users and items:
        if len(first) > 2:
            raise UserError(f"{name}:{lines[0][0]}: {len(first)} columns, {', '.join(map(shown, first))}; {COLUMNS}")
        return users[0], items[0]
    if len(first) != 2 or known is None or first[1] in known:
        return None
    if any((row := _fields(line)) and row[0] == first[0] for _, line in lines[1:]):
        return None  # a user's name stands again, a header's doesn't
    told = shown(",".join(first))
    logging.warning("%s:%d: %r is taken for a header, since the model has no such item; if it is a row: --no-header",
                    name, lines[0][0], told)  # fmt: skip
    return 0, 1
