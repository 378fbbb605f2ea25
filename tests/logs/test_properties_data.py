"""Logs in any dress and any bytes: the reference's data set and counts that add up, or one line of error."""

import csv
import gzip
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
from log_strategies import (
    BAD_ROWS,
    TABLE,
    delimited,
    logs,
    tables,
    times_of,
)
from naive import check_dataset, reference
from properties import LINE_ENDS, any_bytes, check_message, prepare

from tools.preprocess import main

COLUMNS = ("--user", "user", "--item", "item", "--time", "time")
PACKERS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}


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


@given(st.data(), logs(), st.integers(1, 4), PROTOCOLS, SUFFIXES)
@pytest.mark.slow
def test_a_table_is_the_reference_s(data, log, min_count, protocol, suffix):
    content = PACKERS[suffix](data.draw(tables(log)))
    options = ("--min-count", min_count, "--protocol", protocol)
    found = prepare("table", f"log.csv{suffix}", content, *COLUMNS, *options)
    times = times_of([time for *_, time in log])
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


QUOTED = '"user","x","item","time"\n' + "".join(f'"u,{n % 5}","\u732b","a ""b""{n % 3}",{n / 4}\n' for n in range(25))


@given(any_bytes(TABLE.encode(), QUOTED.encode()), SUFFIXES)
@pytest.mark.slow
def test_any_bytes_as_a_table(data, suffix):
    found = prepare("table", f"log.csv{suffix}", PACKERS[suffix](data), *COLUMNS, "--min-count", 1)
    events = delimited(data)
    if events is None:
        assert found[0] is None, "a right answer to a wrong table?"
        check_message(found[1], "log.csv")
        assert re.search(rf"log\.csv{suffix}:\d+: |no rows|empty; nothing", found[1])
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
        ("user,item,item,time", "'item' occurs twice"),
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
    assert "  2 interactions dropped: user is empty\n  1 interactions dropped: item is empty\n" in said
