"""Which rows of a log count: the others are counted with the reason, and what is odd about a log is said."""

import difflib
import functools

import polars

from tools.common.errors import UserError
from tools.common.files import shown
from tools.logs.blocks import names_of
from tools.logs.form import EMPTY, Form, is_pointed
from tools.logs.header import check_columns
from tools.logs.structured import JSON
from tools.logs.times import parse_numbers, parse_times
from tools.logs.unit import Unit

TOLD = 20  # values that a note names


class Sieve:
    """Rows that count, a block of them after the other.

    Args:
        form: of the log.
        files: its `Source`s.
    """

    def __init__(self, form: Form, files):
        self.form, self.files = form, files
        self.dropped: dict[str, int] = {}  # reason -> rows, a row with several for the first of them
        self.unit = Unit(form.columns["time"]) if "time" in form.columns else None
        self.pointed: set[str] = set()  # roles of which an id ends with .0
        self.padded: dict[str, str] = {}  # role -> the first of its ids that stands between blanks
        self.filled: set[str] = set()  # roles of which any row had a value
        self.unrated = 0  # rows without a rating that were kept
        self.other: dict[str, set] = {one.column: set() for one in form.where}
        self.seen: dict[str, set] = {one.column: set() for one in form.where}

    def sift(self, source, block):
        """The rows that count: texts of users, items and what the log says of them; and times, None without any."""
        frame, form = block.frame, self.form
        where = functools.partial(_place, source, block.lines)
        texts = frame.select(polars.exclude("time", "rating").cast(polars.String).fill_null(""))
        bad = {f"{form.named(role)} is empty": self._empty(role, texts[role]) for role in ("user", "item")}
        times = None
        if self.unit is not None:
            times = parse_times(frame["time"], form.time_format, form.named("time"), where)
            self.unit.add(times, where)
            bad[f"{form.named('time')} is empty"] = times.values.is_null()
        bad |= self._rated(frame, where) if form.min_rating is not None else {}
        for one in form.where:
            known = texts[one.role].is_in(one.values)
            bad[one.reason] = ~known
            self._look(one, texts[one.role], known)
        kept = self._count(bad)
        if not self.filled >= form.wanted.keys() and len(frame):
            self.filled |= {role for role in frame.columns if frame[role].null_count() < len(frame)}
        texts = texts.select(one for one in texts.columns if not one.startswith("where ")).filter(kept)
        self.pointed |= {role for role in ("user", "item") if is_pointed(texts[role])}
        return texts, None if times is None else times.values.filter(kept).to_numpy()

    def _empty(self, role, texts):
        """Whether each text stands for no value, blanks around it or not."""
        padded = texts.str.starts_with(" ") | texts.str.ends_with(" ")
        if not padded.any():
            return texts.is_in(EMPTY)
        empty = texts.str.strip_chars(" ").is_in(EMPTY)
        if role not in self.padded and (some := padded & ~empty).any():
            self.padded[role] = texts[some.arg_max()]
        return empty

    def _count(self, bad):
        kept = None
        for reason, rows in bad.items():
            left_out = rows if kept is None else rows & kept
            self.dropped[reason] = self.dropped.get(reason, 0) + int(left_out.sum())
            kept = ~rows if kept is None else kept & ~rows
        return kept

    def _rated(self, frame, where):
        form, name = self.form, self.form.named("rating")
        text = frame["rating"].cast(polars.String)
        text = text.set(text.is_in(EMPTY), None)
        stars = parse_numbers(text)
        if (bad := stars.is_null() & text.is_not_null()).any():
            row = bad.arg_max()
            raise UserError(f"{where(row)}: {name} is {str(text[row])[:80]!r}, not a number; correct or remove the row")
        low = {f"{name} below {form.min_rating:g}": (stars < form.min_rating).fill_null(False)}
        if form.unrated == "keep":
            self.unrated += stars.null_count()
            return low
        return (
            {f"{name} is empty": stars.is_null()} if stars.null_count() or f"{name} is empty" in self.dropped else {}
        ) | low

    def _look(self, one, texts, known):
        """Remember which values stood in a column of `where`, the asked ones and some of the others."""
        if len(self.seen[one.column]) < len(one.values):
            self.seen[one.column] |= set(texts.filter(known).unique().to_list())
        if len(self.other[one.column]) < TOLD:
            self.other[one.column] |= set(texts.filter(~known).head(1 << 16).unique().head(TOLD).to_list())

    def check_keys(self):
        """Refuse a misspelt column of JSON, which has no header that would tell."""
        absent = [self.form.wanted[role] for role in self.form.wanted if role not in self.filled]
        if absent and self.files[0].suffix in JSON:
            names = names_of(self.files[0], self.form)
            check_columns(self.files[0], [one for one in absent if one not in names], names)

    def notes(self) -> list[str]:
        """What is to be said of the log, in lines."""
        told = [self.unit.told()] if self.unit else ["no --time: the events are in the order of the file"]
        padded = [f"{self.form.named(role)} {name!r}" for role, name in self.padded.items()]
        told += [f"warning: {one} has blanks around it, which are part of the id" for one in padded]
        if self.unrated:
            told.append(f"{self.unrated} kept without a {self.form.named('rating')}")
        for one in self.form.where:
            for value in (value for value in one.values if value not in self.seen[one.column]):
                others = sorted(self.other[one.column] | self.seen[one.column])
                near = difflib.get_close_matches(value, others, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                told.append(f"warning: no row has {one.column}={value}, among {shown(', '.join(others), 200)}{hint}")
        return [one for one in told if one]


def _place(source, lines, row):
    return f"{source}:{lines[row]}"
