"""What stands where in a log, and which of its rows count."""

from typing import NamedTuple

import numpy as np
import polars

from tools.common.errors import UserError
from tools.common.files import shown

# What databases, spreadsheets and pandas write for no value.
EMPTY = (
    "", " ", "\\N", "NULL", "Null", "null", "(null)", "(NULL)", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "#NULL!",
    "<NA>", "NaN", "NAN", "nan", "-NaN", "-nan", "1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND", "NaT", "None", "none",
    "NONE",
)  # fmt: skip
WHOLE = r"^-?\d+(\.0+)?$"  # an id that pandas may have written as 7.0, or a table of two decimals as 7.00
POINT = r"\.0+$"
ROUNDED = r"^[+-]?\d(\.\d+[eE]\+?|[eE]\+)\d\d$"  # a long whole number as spreadsheets and pandas write it: 1.23E+18


class Where(NamedTuple):
    """Rows count whose column has one of the values."""

    column: str
    values: tuple[str, ...]

    @property
    def role(self) -> str:
        """Of its column in a block."""
        return f"where {self.column}"

    @property
    def reason(self) -> str:
        """Why other rows are left out."""
        return f"{self.column} is not {' or '.join(self.values)}"


class Form(NamedTuple):
    """The form of a file's rows."""

    columns: dict[str, str]  # role, such as user, item, time, rating -> name of the column
    names: list[str] | None = None  # of all columns, for files without a header
    header: bool = True  # the first line names the columns; otherwise they are 1, 2, … where `names` has none
    separator: str | None = None  # None: the header's tab, comma, semicolon or bar
    quote: str = '"'  # around texts that hold separators; empty for none
    escape: str | None = None  # before a quote within a text, where it is not doubled
    time_format: str | None = None  # as strftime has it; None: a number or ISO 8601
    min_rating: float | None = None  # rows with a lower one are left out
    unrated: str = "drop"  # or keep: rows without a rating, beside `min_rating`
    where: tuple[Where, ...] = ()

    @property
    def wanted(self) -> dict[str, str]:
        """All columns by their roles."""
        return self.columns | {one.role: one.column for one in self.where}

    def named(self, role) -> str:
        """How messages call the column of a role."""
        return self.columns[role]


class Block(NamedTuple):
    """Rows of a file."""

    frame: polars.DataFrame  # a column a role, as it stands in the file
    lines: np.ndarray  # of each row


def check_roles(form):
    """Refuse one column for two of user, item and time."""
    seen: dict[str, str] = {}
    for role in ("user", "item", "time"):
        if (name := form.columns.get(role)) is not None and seen.setdefault(name, role) != role:
            raise UserError(f"{shown(name)} is named for both {seen[name]} and {role}; each has a column of its own")


def check_rounded(ids, name):
    """Refuse ids that have lost their last digits: several users or items would be one.

    Args:
        ids: the different texts of a column.
        name: of the column.
    """
    if (bad := ids.str.contains(ROUNDED)).any():
        raise rounded(name, ids[bad.arg_max()])


def rounded(name, value):
    """The error of such an id."""
    told = "a whole number without its last digits, as spreadsheets and pandas write long ones"
    return UserError(f"{name} is {shown(value)}: {told}, so that different ids are one; write ids as texts")


def is_pointed(texts: polars.Series) -> bool:
    """Whether any text ends with .0 or .00, …"""
    return texts.filter(texts.str.ends_with("0")).str.contains(POINT).any()


def is_short(role):
    """Whether a column holds ids or the like: where their texts are long, the file is another than it seems."""
    return not role.startswith("attribute ")
