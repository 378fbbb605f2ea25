"""Times of a log as whole numbers or fractions, one unit a log, whatever they are written as."""

import re
from typing import NamedTuple

import numpy as np
import polars

from tools.common.errors import UserError
from tools.common.files import shown
from tools.logs.form import EMPTY

UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}  # parts of a second
# Times since 1970 are told by their size, from 1990 to 2100. Smaller and larger ones may count anything.
FIRST, LAST = 631_152_000, 4_102_444_800
DATE = r"\d{4}-\d{2}-\d{2}"
FORMS = {  # a value's look -> how it is read
    rf"{DATE}": "%Y-%m-%d",
    rf"{DATE}T\d\d:\d\d:\d\d(\.\d+)?": "%Y-%m-%dT%H:%M:%S%.f",
    rf"{DATE} \d\d:\d\d:\d\d(\.\d+)?": "%Y-%m-%d %H:%M:%S%.f",
    rf"{DATE}T\d\d:\d\d:\d\d(\.\d+)?Z": "%Y-%m-%dT%H:%M:%S%.fZ",
    rf"{DATE} \d\d:\d\d:\d\d(\.\d+)?Z": "%Y-%m-%d %H:%M:%S%.fZ",
    rf"{DATE} \d\d:\d\d:\d\d(\.\d+)? UTC": "%Y-%m-%d %H:%M:%S%.f UTC",
    rf"{DATE}T\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d(:?\d\d)?": "%Y-%m-%dT%H:%M:%S%.f%#z",
    rf"{DATE} \d\d:\d\d:\d\d(\.\d+)?[+-]\d\d(:?\d\d)?": "%Y-%m-%d %H:%M:%S%.f%#z",
    rf"{DATE} \d\d:\d\d:\d\d(\.\d+)? [+-]\d\d(:?\d\d)?": "%Y-%m-%d %H:%M:%S%.f %#z",
    r"\d{8}T\d{6}": "%Y%m%dT%H%M%S",
    r"\d{8}T\d{6}Z": "%Y%m%dT%H%M%SZ",
    rf"{DATE}T\d\d:\d\d": "%Y-%m-%dT%H:%M",
    rf"{DATE} \d\d:\d\d": "%Y-%m-%d %H:%M",
    rf"{DATE}T\d\d:\d\dZ": "%Y-%m-%dT%H:%MZ",
}
LOOK = re.compile(  # what `_same_width` reads
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<part>\d{1,9}))?)?(?:Z| UTC)?)?",
    re.ASCII,
)
MICROS = len("2020-09-13T17:56:42.973123")  # longer texts may have nanoseconds
LONGEST = 106_000  # days from 1970 that nanoseconds of 64 bits reach
DAYS = np.arange(-1970 * 12, 8031 * 12).astype("M8[M]").astype("M8[D]").astype(np.int32)  # of a month, from year 0 on


class Times(NamedTuple):
    """The times of some rows."""

    values: polars.Series  # numbers, null where a row has none; of dates the nanoseconds since 1970, UTC
    dates: bool


def parse_times(column: polars.Series, form, name, where) -> Times:
    """The times of a column: numbers, dates of Polars or texts of either.

    Args:
        column: of a file.
        form: as strftime has it; None: a number or ISO 8601. Without an offset a time is UTC.
        name: of the column.
        where: gives `file:line` of a row.

    Raises:
        UserError: for a value that is no time, and for numbers beside dates.
    """
    if column.dtype in (polars.Date, polars.Datetime):
        return Times(_nanoseconds(column, name, where), True)
    if column.dtype.is_integer():
        return Times(_whole(column, name, where), False)
    if column.dtype == polars.Float32 and (far := column.is_finite() & (column.abs() > 2**24)).any():
        row = far.arg_max()
        raise UserError(f"{where(row)}: {name} is {column[row]}, a number of 32 bits, which has lost its last digits; "
                        "write 64 bits")  # fmt: skip
    text = column.cast(polars.String)
    text = text.set(text.is_in(EMPTY), None)
    if form is None and (clocks := _same_width(text)) is not None and not clocks.null_count():
        return Times(clocks, True)  # as is most often so
    values = None if form else parse_numbers(text)
    if values is not None and values.dtype.is_float() and (far := (values.abs() >= 2**63).fill_null(False)).any():
        raise _too_large(where(far.arg_max()), name, text[far.arg_max()])
    dates = text.filter(values.is_null()) if values is not None else text
    if not dates.count():
        return Times(values if values is not None else text.cast(polars.Int64), bool(form))
    clocks = _clocks(text if values is None else text.set(values.is_not_null(), None), form)
    if (bad := clocks.is_null() & text.is_not_null() & (True if values is None else values.is_null())).any():
        row = bad.arg_max()
        fix = "give --time-format" if form is None else "mend the row or --time-format"
        rule = "not a number or an ISO date" if form is None else f"not of the form {form}"
        raise UserError(f"{where(row)}: {name} is {str(text[row])[:80]!r}, {rule}; {fix}, or correct or remove the row")
    if values is not None and (both := values.is_not_null()).any():
        row = (both if both[text.is_not_null().arg_max()] is False else clocks.is_not_null()).arg_max()
        raise mixed(where(row), name, text[row])
    return Times(clocks, True)


def _whole(column, name, where):
    """Whole numbers of 64 bits."""
    values = column.cast(polars.Int64, strict=False)
    if (lost := values.is_null() & column.is_not_null()).any():
        raise _too_large(where(lost.arg_max()), name, column[lost.arg_max()])
    return values


def _too_large(place, name, value):
    return UserError(f"{place}: {name} is {shown(value)}, more than 64 bits hold; correct or remove the row")


def mixed(place, name, value):
    """The error of a log that has numbers and dates for times."""
    told = "numbers beside dates: which of them come first cannot be known"
    return UserError(f"{place}: {name} is {shown(value)!r}; the log has {told}; write one form")


def parse_numbers(text: polars.Series) -> polars.Series:
    """Numbers of texts: whole where all of them are such, null for none."""
    whole = text.cast(polars.Int64, strict=False)
    if whole.null_count() == text.null_count():
        return whole
    values = text.cast(polars.Float64, strict=False)
    odd = (values.is_null() & text.is_not_null()) | values.is_infinite() | values.is_nan()
    if odd.any():  # a few of them, that Python reads: _1, 1_0; or all, where the texts are no numbers
        rows = odd.arg_true()
        first = text.gather(rows.head(1000)).to_list()
        some = first if any(_number(one) is not None for one in first) else []
        read = [_number(one) for one in (text.gather(rows).to_list() if some else [])]
        numbers = polars.Series(read or [None] * len(rows), dtype=polars.Float64)
        values = values.scatter(rows, numbers)
    return values


def _number(text):
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _clocks(text, form):
    """Nanoseconds since 1970 of texts, null where a text has none of the forms."""
    if form is not None:
        return _read(text, re.sub(r"\.%f", "%.f", form))
    clocks = _same_width(text)
    while clocks is None or (left := text.is_not_null() & clocks.is_null()).any():
        value = text[text.is_not_null().arg_max() if clocks is None else left.arg_max()]
        shape = next((one for look, one in FORMS.items() if re.fullmatch(look, value, re.ASCII)), None)
        found = None if shape is None else _read(text if clocks is None else text.set(~left, None), shape)
        if found is None or not found.count():
            return clocks if clocks is not None else text.cast(polars.Int64, strict=False).set(text.is_not_null(), None)
        before = 0 if clocks is None else clocks.count()
        clocks = found if clocks is None else clocks.zip_with(clocks.is_not_null(), found)
        if clocks.count() == before:
            return clocks
    return clocks


def _read(text, shape):
    """Nanoseconds since 1970, UTC; null where a text is not of the shape or lies outside of 1678 to 2262."""
    told = {"strict": False} | ({"time_zone": "UTC"} if "%z" in shape or "%#z" in shape else {})
    try:
        micros = text.str.to_datetime(shape, time_unit="us", **told).to_physical()
        micros = micros.set(micros.abs() > (2**63 - 1) // 1000, None)
        if "f" not in shape or (text.str.len_bytes().max() or 0) <= MICROS:
            return micros * 1000
        return text.set(micros.is_null(), None).str.to_datetime(shape, time_unit="ns", **told).to_physical()
    except polars.exceptions.PolarsError as error:
        raise UserError(f"--time-format {shape}: not a form ({shown(error)}); as in %d.%m.%Y %H:%M:%S") from None


def _same_width(text):
    """As `_read`, several times as fast, of texts `2020-09-13T17:56:42.973Z` all written alike; None for others."""
    width = text.str.len_bytes()
    look = None if text.null_count() or width.min() != width.max() else LOOK.fullmatch(text[0])
    if look is None:
        return None
    byte = np.frombuffer(text.str.join("").item().encode(), np.uint8).reshape(len(text), -1).T.copy()  # [L, E]
    constant = [place for place, one in enumerate(text[0]) if not one.isdigit()]
    if any((byte[place] != ord(text[0][place])).any() for place in constant):
        return None
    byte -= ord("0")
    if any((byte[place] > 9).any() for place in range(len(byte)) if place not in constant):
        return None

    def number(group):
        total = np.zeros(len(text), np.int32)
        for place in range(*look.span(group)):
            total *= 10
            total += byte[place]
        return total

    month, day = number("month"), number("day")
    days = DAYS.take(number("year") * 12 + month - 1, mode="clip")  # from 1970 to the first of the month
    length = DAYS.take(number("year") * 12 + month, mode="clip") - days
    fine = (month >= 1) & (month <= 12) & (day >= 1) & (day <= length) & (np.abs(days) < LONGEST)
    seconds = (days + (day - 1)).astype(np.int64)
    for group, most in (("hour", 24), ("minute", 60), ("second", 60)):
        some = number(group) if look[group] else np.zeros(1, np.int32)
        fine &= some < most
        seconds *= most
        seconds += some
    nanos = seconds * 10**9
    if look["part"]:
        nanos += number("part").astype(np.int64) * 10 ** (9 - len(look["part"]))
    found = polars.Series(text.name, nanos)
    return found if fine.all() else found.set(~polars.Series(fine), None)


def _nanoseconds(column, name, where):
    """Nanoseconds since 1970 of dates and times of Polars; nothing is lost or wrapped around."""
    if column.dtype == polars.Date:
        column = column.cast(polars.Datetime("ms"))
    physical, factor = column.to_physical(), {"ms": 10**6, "us": 10**3, "ns": 1}[column.dtype.time_unit]
    if (bad := physical.abs() > (2**63 - 1) // factor).any():
        row = bad.arg_max()
        raise UserError(
            f"{where(row)}: {name} is {physical[row]} {column.dtype.time_unit}, past 2262; correct or remove it"
        )
    return physical * factor
