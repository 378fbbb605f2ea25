"""RecBole's atomic files: tab-separated, with a header whose names carry their types, `item_id:token`."""

from tools.common.errors import UserError
from tools.common.packed import Source, is_archive
from tools.logs.blocks import names_of
from tools.logs.edition import Edition
from tools.logs.form import Form
from tools.logs.sources import log_files
from tools.logs.tables import Table

ATOMIC = Form({}, separator="\t", quote="")
SPLITS = (".train.inter", ".valid.inter", ".test.inter")
TIMES = ("timestamp", "time", "ts", "date")


def edition_of(found, path) -> tuple[Edition, list]:
    """The form of the atomic files of one data set, and its `.inter`.

    Users and items are the first two tokens, the time is `timestamp`, ratings are `rating`. Tokens of `.item` and
    `.user` are attributes; `token_seq` has several values, but for a title.

    Raises:
        UserError: for another number of `.inter` files than one, or columns that are missing.
    """
    logs = [one for one in found if one.name.endswith(".inter") and not one.name.endswith(SPLITS)]
    if len(logs) != 1:
        raise UserError(f"{path}: {len(logs)} .inter files where one data set has one; name the folder of one")
    return _edition(logs[0], found), logs


def ready_splits(path) -> tuple[Edition, list[list[Source]]] | None:
    """As `edition_of`, with the files of train, of valid where it is there and of test; None for a log that is whole.

    Raises:
        UserError: for a whole log beside its splits, and for splits whose rows hold lists of items.
    """
    found = log_files(path)
    files = [[one for one in found if one.name.endswith(kind)] for kind in SPLITS]
    if (path.is_file() and not is_archive(path)) or not any(files):
        return None
    if len(files[0]) != 1 or len(files[2]) != 1 or len(files[1]) > 1:
        raise UserError(f"{path}: not one .train.inter and one .test.inter; name the folder of one data set")
    if whole := [one for one in found if one.name.endswith(".inter") and [one] not in files]:
        raise UserError(f"{path}: a whole log beside its splits; name the one to use, as {whole[0]}")
    edition = _edition(files[0][0], found)
    if lists := [name for name in names_of(files[0][0], ATOMIC) if name.endswith(":token_seq")]:
        raise UserError(
            f"{files[0][0]}: {lists[0]} holds lists, and a row must be one event; use the log they are made of"
        )
    return edition, [one for one in files if one]


def second_files(path, edition):
    """`(role, sources, table, names)` of the files on items and users that are there."""
    found = log_files(path)
    for role, table in (("item", edition.items), ("user", edition.users)):
        if table is not None:
            sources = [one for one in found if one.name in table.files]
            yield role, sources, table, names_of(sources[0], table.form)


def _edition(log, found) -> Edition:
    names = names_of(log, ATOMIC)
    tokens = [name for name in names if name.endswith(":token")]
    if len(tokens) < 2:
        raise UserError(f"{log}:1: no two columns of type token among {', '.join(names)}; as user_id:token")
    time = next((name for name in names if name.partition(":")[0].lower() in TIMES), None)
    columns = {"user": tokens[0], "item": tokens[1]} | ({"time": time} if time else {})
    rating = next((name for name in names if name.partition(":")[0] == "rating"), "")
    items, users = (_table([one for one in found if one.name.endswith(kind)]) for kind in (".item", ".user"))
    return Edition((), ATOMIC._replace(columns=columns), "", rating, items, users)


def _table(sources) -> Table | None:
    if not sources:
        return None
    (source, *_) = sources
    names = names_of(source, ATOMIC)
    attributes = {}
    for name in names[1:]:
        called, _, kind = name.partition(":")
        if "title" in called or called == "name":
            attributes["title"] = name
        elif kind == "token":
            attributes[called] = name
        elif kind == "token_seq":
            attributes[called] = f"{name}| "
    several = [one for one, column in attributes.items() if column.endswith("| ")]
    return Table(names[0], attributes, several[0] if several else "", (source.name,), ATOMIC)
