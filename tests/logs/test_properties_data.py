"""Logs in any dress and any bytes: the reference's data set and counts that add up, or one line of error."""

import csv
import gzip
import io
import itertools
import json
import lzma
import re

import naive
import numpy as np
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from naive import check_dataset, reference
from properties import LINE_ENDS, any_bytes, check_message, lines_of, prepare

from tools.preprocess import main

COLUMNS = ("--user", "user", "--item", "item", "--time", "time")
PACKERS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}
ODD_IDS = [
    "", " ", "0", "1", "01", " 1", "1 ", "-1", "1.0", "1e3", "-9223372036854775809", "18446744073709551616", "nan",
    "None", "null", "#1", "a,b", 'say "hi"', '"', "'", "a\tb", "\x1c", "\x85", "\u2028", "\xa0", "\ufeff", "caf\u00e9",
    "cafe\u0301", "\u732b", "\U0001f600", "x" * 300, "=1+1", "\\", "user", "user_id:1",
]  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=6)
IDS = st.sampled_from(ODD_IDS) | TEXT
WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3) | st.integers(1_700_000_000, 1_700_000_009)
FLOATS = st.floats(-1e18, 1e18) | st.sampled_from([0.5, 0.25, -0.5, -0.0, 1e300, 1e-300, 1_700_000_000.25])
TIMES = st.one_of(
    st.just(WHOLE.map(str)),
    st.just(WHOLE.filter(lambda time: abs(time) < 2**53).map(str) | FLOATS.map(repr) | FLOATS.map("{:e}".format)),
    st.just(st.integers(2**63, 2**70).map(str)),
)


@st.composite
def logs(draw, ids=IDS, times=TIMES):
    """`(user, item, time)` texts in any order, some of them twice."""
    users, items = (draw(st.lists(ids, min_size=1, max_size=most, unique=True)) for most in (6, 8))
    row = st.tuples(st.sampled_from(users), st.sampled_from(items), draw(times))
    return draw(st.lists(row, min_size=1, max_size=60))


def number(texts):
    """Times as numbers: whole ones exactly, all others as floats; None for empty ones."""
    known = [text for text in texts if text not in naive.EMPTY]
    whole = all(re.fullmatch(r"[+-]?\d+", text) and -(2**63) <= int(text) < 2**63 for text in known)
    return [None if text in naive.EMPTY else int(text) if whole else float(text) for text in texts]


@pytest.fixture(autouse=True)
def _room(tmp_path):
    prepare.root = tmp_path


def check(found, events, min_count, protocol="comirec", read=None):
    """Hold the command's answer against the reference: the data set and the printed counts, or that nobody is left."""
    folder, said = found
    _, _, rows, splits = reference(events, min_count, protocol)
    if not splits["train"]:
        assert folder is None
        check_message(said, "log", "--min-count")
        assert f"{len(rows)} users left" in said
        return
    assert folder, said
    meta = check_dataset(folder, events, min_count, protocol, read)
    lines = said.splitlines()
    assert lines[0].endswith(f": {len(events) if read is None else read} interactions read")
    counts = [int(line.split()[0]) for line in lines if line.startswith("  ")]
    assert sum(counts) == int(lines[0].split()[-3])
    assert counts[-1] == meta["interactions"]


PROTOCOLS, SUFFIXES = st.sampled_from(["comirec", "mind"]), st.sampled_from(list(PACKERS))
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


@given(st.data(), logs(), st.integers(1, 4), PROTOCOLS, SUFFIXES)
def test_a_table_is_the_reference_s(data, log, min_count, protocol, suffix):
    content = PACKERS[suffix](data.draw(tables(log)))
    options = ("--min-count", min_count, "--protocol", protocol)
    found = prepare("table", f"log.csv{suffix}", content, *COLUMNS, *options)
    times = number([time for *_, time in log])
    events = [(user, item, time) for (user, item, _), time in zip(log, times, strict=True)]
    check(found, naive.filled(events), min_count, protocol, read=len(log))


CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0 \t\x0b\x0c")
WORDS = st.text(CHARACTERS, min_size=1, max_size=5)
USERS = st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=9)), min_size=1, max_size=9)


@given(st.data(), USERS, st.integers(1, 3), PROTOCOLS, SUFFIXES)
def test_sequences_are_the_reference_s(data, users, min_count, protocol, suffix):
    end, gap = data.draw(st.sampled_from(LINE_ENDS)), data.draw(st.sampled_from([" ", "\t", "  ", " \x0b"]))
    bom, last, blank = (data.draw(st.booleans()) for _ in range(3))
    content = "\ufeff" * bom + (end * (1 + blank)).join(gap.join([user, *items]) for user, items in users) + end * last
    assume(bom or content[0] != "\ufeff")
    options = ("--min-count", min_count, "--protocol", protocol)
    found = prepare("sequences", f"log.txt{suffix}", PACKERS[suffix](content.encode()), *options)
    flat = [(user, item) for user, items in users for item in items]
    check(found, [(user, item, time) for time, (user, item) in enumerate(flat)], min_count, protocol)


ATTRIBUTES = st.text(max_size=4) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(st.sampled_from("abcd"), st.lists(ATTRIBUTES, max_size=3)), st.booleans())
def test_attributes_are_those_of_the_file(table, ascii_only):
    text = json.dumps(table, ensure_ascii=ascii_only)
    path = prepare.root / "attributes.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    content = b"u1 a b c d a a\nu2 a b c b\nu3 a a\n"
    folder, said = prepare("sequences", "log.txt", content, "--attributes", path, "--min-count", 1)
    texts = {item: [str(one) for one in values] for item, values in table.items()}
    if re.search("[\0\r\n\ud800-\udfff]", "".join(one for values in texts.values() for one in values)):
        assert folder is None
        check_message(said, "attributes.json")
        return
    assert folder, said
    with np.load(folder / "item_attributes.npz") as file:
        names, values, offsets = (file[f"attributes.{part}"] for part in ("names", "values", "offsets"))
    rows = [names[values[a:b]].tolist() for a, b in itertools.pairwise(offsets)]
    assert rows == [texts.get(item, []) for item in "abcd"]
    with open(folder / "category_map.csv", encoding="utf-8", newline="") as file:
        names = dict(list(csv.reader(file))[1:]) | {"-1": ""}
    assert [names[str(n)] for n in np.load(folder / "item_category.npy")[1:]] == [(row or [""])[-1] for row in rows]


TABLE = "user,item,time\n" + "".join(f"u{n % 5},i{n % 3},{n * 7 % 20}\n" for n in range(25))
QUOTED = '"user","x","item","time"\n' + "".join(f'"u,{n % 5}","\u732b","a ""b""{n % 3}",{n / 4}\n' for n in range(25))


def delimited(data):
    """Rows of a table by csv and the line: events and how many rows were read; None where a row is none."""
    try:
        lines = lines_of(data.decode("utf-8-sig"))
        if "\0" in data.decode() or lines[0][0] != 1:
            return None
        delimiter = "\t" if "\t" in lines[0][1] else ","
        names = next(csv.reader([lines[0][1]], delimiter=delimiter))
        rows = [list(csv.reader([line], delimiter=delimiter, strict=True)) for _, line in lines[1:]]
        if not rows or any(len(row) != 1 or len(row[0]) != len(names) for row in rows):
            return None
        found = [tuple(row[names.index(name)] for name in ("user", "item", "time")) for (row,) in rows]
        if any(names.count(name) > 1 for name in ("user", "item", "time")) or max(map(len, sum(found, ()))) > 1000:
            return None
        times = number([time for *_, time in found])
        if not np.isfinite([time for time in times if time is not None]).all():
            return None
    except (ValueError, IndexError, csv.Error):
        return None
    return [(user, item, time) for (user, item, _), time in zip(found, times, strict=True)]


@given(any_bytes(TABLE.encode(), QUOTED.encode()), SUFFIXES)
def test_any_bytes_as_a_table(data, suffix):
    found = prepare("table", f"log.csv{suffix}", PACKERS[suffix](data), *COLUMNS, "--min-count", 1)
    events = delimited(data)
    if events is None:
        assert found[0] is None, "a right answer to a wrong table?"
        check_message(found[1], "log.csv")
        assert re.search(rf"log\.csv{suffix}:\d+: |no rows", found[1])
    else:
        check(found, naive.filled(events), 1, read=len(events))


SEQUENCES = "".join(f"user{n} " + " ".join(f"i{(n + k) % 7}" for k in range(5)) + "\n" for n in range(6)).encode()


@given(any_bytes(SEQUENCES, "\u7528 \u7269 \u00e9\r\nb c d\r\n".encode()), st.sampled_from(["", ".gz", ".xz"]))
def test_any_bytes_as_sequences(data, suffix):
    found = prepare("sequences", f"log.txt{suffix}", PACKERS[suffix](data), "--min-count", 1)
    lines = [words for line in re.split(b"\r\n|\r|\n", data.removeprefix(b"\xef\xbb\xbf")) if (words := line.split())]
    try:
        flat = [(words[0].decode(), item.decode()) for words in lines for item in words[1:]]
    except UnicodeDecodeError:
        flat = []
    lonely = any(len(words) == 1 or max(map(len, words)) > 1000 for words in lines)
    if not flat or lonely or b"\0" in data:
        assert found[0] is None
        check_message(found[1], "log.txt")
        assert re.search(rf"log\.txt{suffix}:\d+: |empty", found[1])
    else:
        check(found, [(user, item, time) for time, (user, item) in enumerate(flat)], 1)


JSON = json.dumps({"i0": ["brand", "caf\u00e9", 5], "i1": [], "i2": ["a"], "i3": [1.5, "\u732b"]}, indent=1).encode()


@given(any_bytes(JSON) | st.binary(max_size=4).map(lambda data: b"[" * 100_000 + data))
def test_any_bytes_as_attributes(data):
    path = prepare.root / "attributes.json"
    path.write_bytes(data)
    folder, said = prepare("sequences", "log.txt", SEQUENCES, "--attributes", path, "--min-count", 1)
    if folder is None:
        check_message(said, "attributes.json")
    else:
        pairs = json.loads(data.decode("utf-8-sig"), object_pairs_hook=list)
        assert len(dict(pairs)) == len(pairs)  # none of a key that stands twice is lost


BAD_ROWS = [
    "u,i", "u,i,1,2", 'u,"i,1', 'u,"i"x,1', "u,i,soon", "u,i,inf", "u,i,1e999", "u\0,i,1", ",,,", "u",
    f"{'u' * 1001},i,1",
]  # fmt: skip


@pytest.mark.parametrize("end", LINE_ENDS, ids=repr)
@pytest.mark.parametrize("bad", [*map(str.encode, BAD_ROWS), b"u\xe9,i,1", b"\x93u\x94,i,1"])
def test_a_bad_row_of_a_table_is_named_by_its_line(bad, end):
    lines = TABLE.encode().splitlines()
    for place in (1, 3, len(lines)):
        content = [*lines[:2], b"", *lines[2:]]
        content.insert(place, bad)
        _, said = prepare("table", "log.csv", end.encode().join(content), *COLUMNS)
        check_message(said, "log.csv", line=place + 1)


@pytest.mark.parametrize("end", LINE_ENDS, ids=repr)
@pytest.mark.parametrize("bad", [b"alone", b"u caf\xe9", b"u \0", b"u i" + b"x" * 1001])
def test_a_bad_line_of_sequences_is_named(bad, end):
    lines = SEQUENCES.splitlines()
    for place in (0, 3, len(lines)):
        content = [*lines[:place], bad, *lines[place:]]
        _, said = prepare("sequences", "log.txt", end.encode().join(content))
        check_message(said, "log.txt", line=place + 1)


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
@pytest.mark.parametrize("source, content, options", [("table", TABLE.encode(), COLUMNS), ("sequences", SEQUENCES, ())])
def test_compressed_files_cut_anywhere(suffix, source, content, options):
    whole = PACKERS[suffix](content)
    for end in range(len(whole)):
        folder, said = prepare(source, f"log.csv{suffix}", whole[:end], *options, "--min-count", 1)
        assert folder is None
        check_message(said, f"log.csv{suffix}")


@pytest.mark.parametrize(
    "header, said",
    [
        ("user,item,item,time", "'item' stands twice"),
        (f"user,item,{'x' * 10**6},tim", "the header is not readable as CSV"),
        (f"user,item,{'x' * 10**5},tim", "no column 'time'"),
        ('user,item,"time', "the header is not readable as CSV"),
        (f"user,item,{','.join(map(str, range(9999)))}", "no column 'time'"),
        ("user,item,ti\x1bme", "no column 'time'"),
    ],
)
def test_headers_that_name_no_column_or_two(header, said):
    _, found = prepare("table", "log.csv", f"{header}\n1,2,3,4\n".encode(), *COLUMNS)
    check_message(found, "log.csv", line=1)
    assert said in found


@pytest.mark.parametrize("option", ["--user", "--item", "--time", "--category", "--query"])
def test_a_column_without_a_name_is_no_column(option):
    _, said = prepare("table", "log.csv", TABLE.encode(), *COLUMNS, option, "")
    check_message(said, "log.csv", line=1)


@pytest.mark.parametrize("count", ["0", "-1", "x"])
def test_min_count_is_at_least_1(count, capsys):
    with pytest.raises(SystemExit):
        main(["table", "log.csv", *COLUMNS, "--min-count", count])
    assert f"--min-count: '{count}' is not a whole number of at least 1" in capsys.readouterr().err


def test_rows_without_ids_are_counted():
    text = TABLE + ",i1,5\nu1,,5\n,,5\nu1,i1,5\n"
    folder, said = prepare("table", "log.csv", text.encode(), *COLUMNS)
    meta = yaml.safe_load((folder / "meta.yaml").read_text())
    assert meta["dropped"]["user is empty"] == 2
    assert meta["dropped"]["item is empty"] == 1
    assert "  2 dropped: user is empty\n  1 dropped: item is empty\n" in said
