"""The unit of a log's times, by the size of its numbers: one a log."""

import polars

from tools.common.errors import UserError
from tools.logs.times import FIRST, LAST, UNITS, Times, mixed


class Unit:
    """What the times of a log are, told by what has been read so far.

    Args:
        name: of the column.
    """

    def __init__(self, name):
        self.name, self.dates, self.known = name, None, {}  # unit -> the first value of it
        self.count: dict[str, int] = dict.fromkeys(UNITS, 0)  # values that are of a unit by their size
        self.first, self.none, self.rows = "", 0, 0  # the first value of no unit, those from 1 on
        self.finest = 10**9  # nanoseconds of which all dates are multiples

    def add(self, times: Times, where):
        """Take note of more rows; a `UserError` where they are of another form or unit than those before."""
        values = times.values.drop_nulls()
        if not len(values):
            return
        first = times.values.is_not_null().arg_max()
        if self.dates not in (None, times.dates):
            raise mixed(where(first), self.name, times.values[first])
        self.dates, self.rows = times.dates, self.rows + len(values)
        if times.dates:
            while self.finest > 1 and (values % self.finest != 0).any():
                self.finest //= 1000
            return
        inside = polars.zeros(len(values), dtype=polars.Boolean, eager=True)
        for unit, parts in UNITS.items():
            these = (values >= FIRST * parts) & (values < LAST * parts)
            inside |= these
            self.count[unit] += int(these.sum())
            if these.any() and unit not in self.known:
                row = ((times.values >= FIRST * parts) & (times.values < LAST * parts)).arg_max()
                self.known[unit] = f"{where(row)}: {self.name} is {times.values[row]}"
        if not self.first and not inside.all():
            value = values.filter(~inside)[0]
            self.first = f"{where((times.values == value).fill_null(False).arg_max())}: {self.name} is {value}"
        self.none += int((~inside & (values > 0)).sum())  # 0 and below may stand for no time, and count nothing
        if len(self.known) > 1 and self.none <= self.rows / 100:
            (one, _), (other, told) = list(self.known.items())[:2]
            raise UserError(f"{told}, {other} by its size, where others are {one}; write one unit")

    def told(self) -> str:
        """In lines; empty where the size says nothing."""
        if self.dates:
            unit = {10**9: "seconds", 10**6: "milliseconds", 10**3: "microseconds", 1: "nanoseconds"}[self.finest]
            return f"{self.name}: dates, written as {unit} since 1970"
        if not self.known:
            return ""
        unit = max(self.count, key=lambda one: self.count[one])
        if (others := self.rows - self.count[unit]) > 0.9 * self.rows:
            return ""  # numbers that count something else, and pass a unit's sizes
        told = f"{self.name}: {unit} since 1970, by their size"
        if not others:
            return told
        first = self.first or next(text for one, text in self.known.items() if one != unit)
        return (
            f"{told}\nwarning: {others} of {self.rows} are none from 1990 to 2100, the first {first}; are they times?"
        )
