"""RecBole's atomic files: tab-separated, with a header whose names carry their types, `item_id:token`."""

from tools.common.errors import UserError
from tools.logs.blocks import names_of
from tools.logs.edition import Edition
from tools.logs.form import Form
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
    logs = [one for one in found if one.name.endswith(".inter")]
    if len(logs) != 1 and not any(one.name.endswith(SPLITS) for one in logs):
        raise UserError(f"{path}: {len(logs)} .inter files where one data set has one; name the folder of one")
    log = next((one for one in logs if not one.name.endswith(SPLITS)), logs[0])
    names = names_of(log, ATOMIC)
    tokens = [name for name in names if name.endswith(":token")]
    if len(tokens) < 2:
        raise UserError(f"{log}:1: no two columns of type token among {', '.join(names)}; as user_id:token")
    time = next((name for name in names if name.partition(":")[0].lower() in TIMES), None)
    columns = {"user": tokens[0], "item": tokens[1]} | ({"time": time} if time else {})
    rating = next((name for name in names if name.partition(":")[0] == "rating"), "")
    items, users = (_table([one for one in found if one.name.endswith(kind)]) for kind in (".item", ".user"))
    return Edition((), ATOMIC._replace(columns=columns), "", rating, items, users), [log]


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
