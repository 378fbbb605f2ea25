"""Logs of full size on small ones: the whole folder is the reference's, whatever the form."""

import csv
import gzip
import json
from collections import Counter

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_strategies import BAD_ROWS, TABLE, delimited, logs, tables, times_of
from properties import LINE_ENDS, any_bytes, check_message, lines_of, prepare
from random_logs import COLUMNS, PACKERS, as_csv, as_reviews, first_kind, metadata, random_rows

from benchmarks.speed.raw_log import write_raw_log
from tools.common import files
from tools.logs import protocol
from tools.preprocess import main


@pytest.fixture(autouse=True)
def _small(tmp_path, monkeypatch):
    """Blocks and stretches are a few rows."""
    prepare.root = tmp_path
    monkeypatch.setattr(protocol, "STRETCH", 37)
    monkeypatch.setattr("tools.logs.structured.SLICE", 41)
    monkeypatch.setattr(files.line_blocks, "__defaults__", (500,))


@pytest.mark.parametrize("protocol_name", ["comirec", "mind"])
@pytest.mark.parametrize("seed", range(3))
def test_csv_in_any_packing_and_in_parts_is_one_log(tmp_path, seed, protocol_name):
    rows = random_rows(seed)
    (tmp_path / "parts").mkdir()
    for part, suffix in enumerate(["", ".gz", ".xz"]):
        (tmp_path / f"parts/{part}.csv{suffix}").write_bytes(
            PACKERS[suffix](as_csv(rows[part * 300 : part * 300 + 300]))
        )
    (tmp_path / "parts/_SUCCESS").write_text("")
    (tmp_path / "whole.csv").write_bytes(as_csv(rows))
    options = [*COLUMNS, "--category", "kind", "--protocol", protocol_name]
    for name, folder in (("parts", "a"), ("whole.csv", "b")):
        main(["table", str(tmp_path / name), *options, "--output", str(tmp_path / folder)])
        triples = [row[:3] for row in rows]
        kinds = first_kind(rows)
        single = {item: [kind] for item, kind in kinds.items()}
        naive.check(tmp_path / folder, triples, protocol=protocol_name, leaf=kinds, attributes={"kind": single})
    naive.same_folder(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("suffix", [".json", ".jsonl.gz"])
def test_json_lines_and_parquet_are_the_same_log(tmp_path, suffix):
    import polars

    rows = random_rows(4)
    keys = ("user", "item", "time", "kind")
    lines = [json.dumps(dict(zip(keys, row, strict=False)) | {"more": [{"a": n}]}) for n, row in enumerate(rows)]
    lines[5:5] = ["", json.dumps({"user": None, "item": "i1", "time": 3, "kind": "k0"})]
    (tmp_path / f"log{suffix}").write_bytes(
        PACKERS[suffix[-3:] if suffix[-3:] == ".gz" else ""]("\n".join(lines).encode())
    )
    main(["table", str(tmp_path / f"log{suffix}"), *COLUMNS, "--category", "kind", "--output", str(tmp_path / "a")])
    triples = [row[:3] for row in rows]
    triples.insert(5, ("", "i1", 3))
    naive.check(tmp_path / "a", triples, leaf=first_kind(rows))
    kinds = [row[3] for row in rows]
    kinds.insert(5, "k0")
    users, items, times = zip(*triples, strict=True)
    frame = polars.DataFrame({"user": [one or None for one in users], "item": items, "time": times, "kind": kinds})
    frame.write_parquet(tmp_path / "log.parquet")
    main(["table", str(tmp_path / "log.parquet"), *COLUMNS, "--category", "kind", "--output", str(tmp_path / "b")])
    naive.same_folder(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("year", [2014, 2018])
def test_amazon(tmp_path, year):
    rows = random_rows(year)
    items = sorted({row[1] for row in rows})
    lines, known = metadata(items[::-1][:-9], year)
    others, _ = metadata([f"other{n}" for n in range(50)], year)
    reviews = "\n".join(map(str if year == 2014 else json.dumps, as_reviews(rows))).encode()
    (tmp_path / "reviews.json.gz").write_bytes(gzip.compress(reviews))
    (tmp_path / "meta").mkdir()
    for part, some in enumerate((lines[:20], others, lines[20:], lines[:5])):
        (tmp_path / f"meta/meta_{part}.json.gz").write_bytes(gzip.compress("\n".join(some).encode()))
    options = ["--metadata", str(tmp_path / "meta"), "--min-rating", "2", "--output", str(tmp_path / "data")]
    main(["amazon", str(tmp_path / "reviews.json.gz"), *options])
    good = [row[:3] for row in rows if row[4] >= 2]
    found = {item: known.get(item, ([], [])) for item in items}
    leaf = {item: (path or [""])[-1] for item, (_, path) in found.items()}
    attributes = {"attributes": {item: brand + path for item, (brand, path) in found.items()}}
    meta = naive.check(tmp_path / "data", good, left_out=len(rows) - len(good), leaf=leaf, attributes=attributes)
    assert meta["dropped"]["overall below 2"] == len(rows) - len(good)


@pytest.mark.parametrize("behaviors", [["pv"], ["pv", "buy"]])
def test_taobao(tmp_path, behaviors):
    kinds = ["pv", "pv", "buy", "pv", "cart", "fav"]
    rows = [(user[1:], item[1:], time, kind[1:], kinds[stars]) for user, item, time, kind, stars in random_rows(3)]
    lines = [(user, item, kind, behavior, time) for user, item, time, kind, behavior in rows]
    (tmp_path / "UserBehavior.csv").write_bytes(as_csv(lines, None))
    chosen = [] if behaviors == ["pv"] else ["--behavior", *behaviors]
    main(["taobao", str(tmp_path / "UserBehavior.csv"), "--output", str(tmp_path / "data"), *chosen])
    good = [row for row in rows if row[4] in behaviors]
    leaf = first_kind(good)
    naive.check(tmp_path / "data", [row[:3] for row in good], left_out=len(rows) - len(good), leaf=leaf)


@given(st.data(), logs(), st.integers(1, 4), st.sampled_from(list(PACKERS)))
def test_a_table_is_the_reference_s(data, log, min_count, suffix):
    content = PACKERS[suffix](data.draw(tables(log)))
    folder, said = prepare("table", f"log.csv{suffix}", content, *COLUMNS, "--min-count", min_count)
    events = [(*row[:2], time) for row, time in zip(log, times_of([time for *_, time in log]), strict=True)]
    if folder is None:
        check_message(said, "log", "--min-count")
    else:
        naive.check(folder, naive.filled(events), min_count=min_count, left_out=len(events) - len(naive.filled(events)))


@given(any_bytes(TABLE.encode(), TABLE.replace("u", "\u732b ").encode()))
def test_any_bytes_in_small_blocks(data):
    folder, said = prepare("table", "log.csv", data, *COLUMNS, "--min-count", 1)
    events = delimited(data)
    if events is None:
        assert folder is None, "a right answer to a wrong table?"
        check_message(said, "log.csv")
    elif folder is None:
        assert "0 users left" in said
    else:
        naive.check(folder, naive.filled(events), min_count=1, left_out=len(events) - len(naive.filled(events)))


@pytest.mark.parametrize("end", LINE_ENDS, ids=repr)
@pytest.mark.parametrize("bad", [*map(str.encode, BAD_ROWS), b"u\xe9,i,1"])
def test_a_bad_row_is_named_by_file_and_line(bad, end):
    lines = [*TABLE.encode().splitlines(), b"", *TABLE.encode().splitlines()[1:]]
    for place in (1, 3, 30, len(lines)):
        content = [*lines[:place], bad, *lines[place:]]
        _, said = prepare("table", "log.csv", end.encode().join(content), *COLUMNS)
        check_message(said, "log.csv", line=place + 1)


BAD_OBJECTS = [
    b'{"user": "u"', b"1", b'{"user": "u", "item": "i", "time": "soon"}', b'{"user": "\xff"}', b"{'user': f()}",
    b'{"user": "u", "item": "a\\nb", "time": 1}',
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_OBJECTS)
def test_a_bad_line_of_json_is_named(bad):
    lines = [json.dumps({"user": f"u{n % 5}", "item": f"i{n % 3}", "time": n}).encode() for n in range(40)]
    for place in (0, 17, 40):
        _, said = prepare("table", "log.json", b"\n".join([*lines[:place], bad, *lines[place:]]), *COLUMNS)
        check_message(said, "log.json", line=place + 1)


def test_a_bad_line_of_metadata_is_named(tmp_path):
    (tmp_path / "meta.json").write_text("{'asin': 'i1'}\n{'asin': 'i2', 'brand': open('x')}\n")
    reviews = "\n".join(map(json.dumps, as_reviews(random_rows(1)))).encode()
    _, said = prepare("amazon", "reviews.json", reviews, "--metadata", tmp_path / "meta.json")
    check_message(said, "meta.json", line=2)


def test_a_log_of_which_nothing_is_left():
    _, said = prepare("table", "log.csv", TABLE.encode(), *COLUMNS, "--rating", "time", "--min-rating", 99)
    assert "0 users left" in said


def test_an_empty_folder_is_refused(tmp_path, capsys):
    (tmp_path / "log").mkdir()
    with pytest.raises(SystemExit):
        main(["table", str(tmp_path / "log"), *COLUMNS, "--output", str(tmp_path / "made")])
    assert "no files in this folder" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["log"]


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"\n\n", b"\xe9"]), max_size=30), st.integers(1, 9))
def test_blocks_are_the_lines_of_the_file(tmp_path, pieces, size):
    data = b"".join(pieces)
    (tmp_path / "text").write_bytes(data)
    found, expected = [], lines_of(data.decode("latin-1"))
    for first, block in files.line_blocks(tmp_path / "text", size):
        assert block
        found += [(number, line) for number, line in enumerate(block.decode("latin-1").split("\n"), first) if line]
    assert found == [(number, line) for number, line in expected]


def test_the_benchmarks_log_has_the_shape_that_it_says(tmp_path):
    write_raw_log(tmp_path / "log.csv", rows=30_000, users=2000, items=500)
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    users, items = (Counter(row[name] for row in rows) for name in ("user", "item"))
    assert len(rows) == 30_000
    assert set(items) <= {f"i{number}" for number in range(1, 501)}
    assert items["i1"] == pytest.approx(30_000 * np.log(2) / np.log(501), rel=0.1)  # 1/k, from k to k + 1
    assert np.std(np.log(list(users.values()))) == pytest.approx(1, rel=0.2)
