"""Logs in any dress as Hypothesis draws them, what a table of any bytes holds, and rows that are none."""

import csv
import io
import re

import naive
from hypothesis import strategies as st
from properties import LINE_ENDS, lines_of

TABLE = "user,item,time\n" + "".join(f"u{n % 5},i{n % 3},{n * 7 % 20}\n" for n in range(25))
BAD_ROWS = [
    "u,i", "u,i,1,2", 'u,"i,1', 'u,"i"x,1', "u,i,soon", "u,i,inf", "u,i,1e999", "u\0,i,1", ",,,", "u",
    f"{'u' * 1001},i,1",
]  # fmt: skip
ODD_IDS = [
    "", " ", "0", "1", "01", " 1", "1 ", "-1", "1.0", "2.00", " NULL", "1e3", "-9223372036854775809",
    "18446744073709551616", "nan", "None", "null", "#1", "a,b", 'say "hi"', '"', "'", "a\tb", "\x1c", "\x85", "\u2028",
    "\xa0", "\ufeff", "caf\u00e9",
    "cafe\u0301", "\u732b", "\U0001f600", "x" * 300, "=1+1", "\\", "user", "user_id:1",
]  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=6)
IDS = st.sampled_from(ODD_IDS) | TEXT
WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3) | st.integers(1_700_000_000, 1_700_000_009)
FLOATS = st.floats(-1e18, 1e18) | st.sampled_from([0.5, 0.25, -0.5, -0.0, 1e18, 1e-300, 1_700_000_000.25])
TIMES = st.one_of(
    st.just(WHOLE.map(str)),
    st.just(WHOLE.filter(lambda time: abs(time) < 2**53).map(str) | FLOATS.map(repr) | FLOATS.map("{:e}".format)),
)


@st.composite
def logs(draw, ids=IDS, times=TIMES):
    """`(user, item, time)` texts in any order, some of them twice."""
    users, items = (draw(st.lists(ids, min_size=1, max_size=most, unique=True)) for most in (6, 8))
    row = st.tuples(st.sampled_from(users), st.sampled_from(items), draw(times))
    return draw(st.lists(row, min_size=1, max_size=60))


def times_of(texts):
    """Times as numbers: whole ones exactly, all others as floats; None for empty ones."""
    known = [text for text in texts if text not in naive.EMPTY]
    whole = all(re.fullmatch(r"[+-]?\d+", text) and -(2**63) <= int(text) < 2**63 for text in known)
    return [None if text in naive.EMPTY else int(text) if whole else float(text) for text in texts]


NAMES = ["user", "item", "time", "note"]


@st.composite
def tables(draw, log):
    """The log as bytes of a table in some dress."""
    end, text, order, note = draw(st.sampled_from(LINE_ENDS)), io.StringIO(), draw(st.permutations(NAMES)), draw(TEXT)
    form = {
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])), "delimiter": draw(st.sampled_from(",\t"))
    }  # fmt: skip
    for row in [NAMES, *([*row, note] for row in log)]:
        columns = dict(zip(NAMES, row, strict=True))
        csv.writer(text, lineterminator=end, **form).writerow([columns[name] for name in order])
    lines = text.getvalue().removesuffix(end).split(end)
    for place in draw(st.lists(st.integers(1, 61), max_size=3)):
        lines.insert(place, draw(st.sampled_from(["", " "])))
    return ("\ufeff" * draw(st.booleans()) + end.join(lines) + end * draw(st.booleans())).encode()


def delimited(data):
    """Rows of a table by csv and the line: events and how many rows were read; None where a row is none."""
    try:
        lines = lines_of(data.decode("utf-8-sig"))
        if "\0" in data.decode():
            return None
        delimiter = "\t" if "\t" in lines[0][1] else ","
        names = [name.strip() for name in next(csv.reader([lines[0][1]], delimiter=delimiter))]
        rows = [list(csv.reader([line], delimiter=delimiter, strict=True)) for _, line in lines[1:]]
        if not rows or any(len(row) != 1 or len(row[0]) != len(names) for row in rows):
            return None
        found = [tuple(row[names.index(name)] for name in ("user", "item", "time")) for (row,) in rows]
        if any(names.count(name) > 1 for name in ("user", "item", "time")) or max(map(len, sum(found, ()))) > 1000:
            return None
        times = times_of([time for *_, time in found])
        if not all(abs(time) < 2**63 for time in times if time is not None):
            return None
    except (ValueError, IndexError, csv.Error):
        return None
    return [(user, item, time) for (user, item, _), time in zip(found, times, strict=True)]
