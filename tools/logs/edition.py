"""The forms of a public data set."""

from typing import NamedTuple

from tools.logs.form import Form, Where
from tools.logs.tables import Table


class Edition(NamedTuple):
    """A form of a data set."""

    files: tuple[str, ...]  # names of the log's files, * for anything
    form: Form
    begins: str  # pattern of the first line's beginning
    rating: str = ""  # column of the rating, for --min-rating
    items: Table | None = None
    users: Table | None = None
    note: str = ""  # what is to be said


class Preset(NamedTuple):
    """A data set by name."""

    help: str
    editions: tuple[Edition, ...]


def log_form(user, item, time=None, category=None, **form):
    """A form by the columns of its roles."""
    columns = {"user": user, "item": item, "time": time, "category": category}
    return Form({role: column for role, column in columns.items() if column}, **form)


def counted(column, *values):
    """What of a column counts."""
    return (Where(column, values),)
