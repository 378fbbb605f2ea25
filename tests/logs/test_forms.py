"""A log in every form that people bring is the same data set, and what is left out is counted."""

import bz2
import gzip
import io
import itertools
import json
import lzma
import os
import random
import tarfile
import zipfile

import naive
import numpy as np
import polars
import pytest
import yaml
from naive import check_dataset, reference, rows_of, table_of
from properties import check_message, prepare

from tools.logs.ties import draw
from tools.preprocess import main

COLUMNS = ("--user", "user", "--item", "item", "--time", "time")
START = 1_600_000_000


@pytest.fixture(autouse=True)
def _room(tmp_path):
    prepare.root = tmp_path


def events(count=400, seed=0):
    rng = random.Random(seed)
    return [(f"u{rng.randrange(20)}", f"i{rng.randrange(15)}", START + rng.randrange(10**6)) for _ in range(count)]


EVENTS = events()


def text_of(rows, separator=",", header=("user", "item", "time"), quote=""):
    lines = [separator.join(f"{quote}{one}{quote}" for one in row) for row in ([header] if header else []) + list(rows)]
    return "".join(f"{line}\n" for line in lines)


def meta_of(folder):
    return yaml.safe_load((folder / "meta.yaml").read_text(encoding="utf-8"))


def zipped(data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("log/", "")
        archive.writestr("log/data.csv", data)
        archive.writestr("__MACOSX/log/._data.csv", "noise")
    return buffer.getvalue()


def tarred(data):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("log/data.csv")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zstandard(data):
    """A frame of raw blocks, by hand, since Python has no such packer before 3.14 (RFC 8878)."""
    blocks = [data[start : start + (1 << 16)] for start in range(0, len(data), 1 << 16)]
    heads = [(len(one) << 3 | (number == len(blocks) - 1)).to_bytes(3, "little") for number, one in enumerate(blocks)]
    body = b"".join(head + one for head, one in zip(heads, blocks, strict=True))
    return b"\x28\xb5\x2f\xfd\xa0" + len(data).to_bytes(4, "little") + body


PACKED = {
    "log.csv": bytes, "log.csv.gz": gzip.compress, "log.csv.xz": lzma.compress, "log.csv.bz2": bz2.compress,
    "log.CSV.GZ": gzip.compress, "log.csv.zip": zipped, "log.tar.gz": tarred, "log.zip": zipped,
    "log.data": gzip.compress,
}  # fmt: skip


@pytest.mark.parametrize("name", PACKED)
def test_however_it_is_packed(name):
    folder, said = prepare("table", name, PACKED[name](text_of(EVENTS).encode()), *COLUMNS)
    assert folder, said
    check_dataset(folder, EVENTS)


def test_zstandard():
    folder, said = prepare("table", "log.csv.zst", zstandard(text_of(EVENTS).encode()), *COLUMNS)
    assert folder, said
    check_dataset(folder, EVENTS)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
@pytest.mark.parametrize("damage", [slice(-9), slice(-40, None)], ids=["cut", "no-start"])
def test_a_second_stream_that_is_damaged_is_refused(pack, damage):
    half = text_of(EVENTS).encode()
    suffix = {gzip.compress: ".gz", lzma.compress: ".xz", bz2.compress: ".bz2"}[pack]
    whole, said = prepare("table", f"log.csv{suffix}", pack(half[:4000]) + pack(half[4000:]), *COLUMNS)
    assert whole, said
    check_dataset(whole, EVENTS)
    folder, said = prepare("table", f"log.csv{suffix}", pack(half[:4000]) + pack(half[4000:])[damage], *COLUMNS)
    assert folder is None
    check_message(said, f"log.csv{suffix}")


@pytest.mark.parametrize("separator", ["::", "\t", ";", "|", ", ", "\\t", "^"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_any_separator_with_a_header_or_without(separator, quote):
    told = separator.replace("\\t", "\t")
    content = text_of(EVENTS, told, quote=quote if len(told) == 1 else "").encode()
    folder, said = prepare("table", "log.dat", content, *COLUMNS, "--separator", separator)
    assert folder, said
    check_dataset(folder, EVENTS)
    content = text_of([(a, "x", b, c) for a, b, c in EVENTS], told, None).encode()
    options = ("--no-header", "--user", 1, "--item", 3, "--time", 4, "--separator", separator)
    folder, said = prepare("table", "log.dat", content, *options)
    assert folder, said
    check_dataset(folder, EVENTS)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "gbk", "cp1252"])
def test_encodings(encoding):
    name = "\u7528" if encoding in ("utf-16", "gbk") else "\u00e9"
    rows = [(f"{name}{user}", item, time) for user, item, time in EVENTS]
    content = text_of(rows).encode(encoding)
    folder, said = prepare("table", "log.csv", content, *COLUMNS, "--encoding", encoding)
    assert folder, said
    check_dataset(folder, rows)
    folder, said = prepare("table", "log.csv", content, *COLUMNS)
    assert folder is None


def test_bytes_that_are_of_another_encoding():
    folder, said = prepare("table", "log.csv", text_of([("\u00e9", "i", 1)]).encode("latin-1"), *COLUMNS)
    assert folder is None
    assert "--encoding" in said or "UTF-8" in said


@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_of_json(indent):
    rows = [dict(zip(("user", "item", "time"), row, strict=True)) for row in EVENTS]
    folder, said = prepare("table", "log.json", json.dumps(rows, indent=indent).encode(), *COLUMNS)
    assert folder, said
    check_dataset(folder, EVENTS)
    for bad in (b"[1, 2]", b'[{"user": 1}', b"[]"):
        folder, said = prepare("table", "log.json", bad, *COLUMNS)
        assert folder is None
        check_message(said, "log.json")


@pytest.mark.parametrize("name", ["log.PARQUET", "log.pq", "log.Parquet"])
def test_parquet_by_any_name(name):
    buffer = io.BytesIO()
    polars.DataFrame(EVENTS, schema=["user", "item", "time"], orient="row").write_parquet(buffer)
    folder, said = prepare("table", name, buffer.getvalue(), *COLUMNS)
    assert folder, said
    check_dataset(folder, EVENTS)


@pytest.mark.parametrize(
    "option, near", [("--user", "user"), ("--item", "item"), ("--category", "kind"), ("--time", "time")]
)
@pytest.mark.parametrize("name", ["log.json", "log.csv"])
def test_a_misspelt_column_is_named_with_the_nearest(option, near, name):
    keys = ("user", "item", "time", "kind")
    rows = [(*row, "k") for row in EVENTS]
    lines = "".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows)
    content = lines if name == "log.json" else text_of(rows, header=keys)
    for wrong in (near.upper(), near[:-1] + "x"):
        folder, said = prepare("table", name, content.encode(), *COLUMNS, option, wrong)
        assert folder is None
        check_message(said, name)
        assert f"did you mean {near}?" in said


CLOCKS = {
    "%Y-%m-%dT%H:%M:%SZ": 1, "%Y-%m-%d %H:%M:%S": 1, "%Y-%m-%d %H:%M:%S UTC": 1, "%Y-%m-%dT%H:%M:%S": 1,
    "%Y-%m-%dT%H:%M:%S.250Z": 1000, "%Y-%m-%dT%H:%M:%S+00:00": 1, "%Y-%m-%d %H:%M:%S.000001": 10**6, "%Y-%m-%d": 1,
}  # fmt: skip


@pytest.mark.parametrize("form", CLOCKS)
def test_dates_without_an_option(form):
    stamps = polars.from_epoch(polars.Series([time for *_, time in EVENTS]))
    rows = [(user, item, told) for (user, item, _), told in zip(EVENTS, stamps.dt.strftime(form), strict=True)]
    folder, said = prepare("table", "log.csv", text_of(rows).encode(), *COLUMNS)
    assert folder, said
    shift = {1000: 250, 10**6: 1}.get(CLOCKS[form], 0)
    day = 86400 if form == "%Y-%m-%d" else 1
    times = [time // day * day * CLOCKS[form] + shift for *_, time in EVENTS]
    check_dataset(folder, [(user, item, time) for (user, item, _), time in zip(EVENTS, times, strict=True)])


def test_offsets_fractions_and_other_forms_of_one_log():
    told = ["2020-09-13T17:56:42+02:00", "2020-09-13T15:56:42.5Z", "2020-09-13 15:56:43", "2020-09-13T12:56:44-0300"]
    rows = [(f"u{n}", f"i{place}", time) for n in range(10) for place, time in enumerate(told)]
    folder, said = prepare("table", "log.csv", text_of(rows).encode(), *COLUMNS, "--min-count", 1)
    assert folder, said
    times = [1600012602000, 1600012602500, 1600012603000, 1600012604000]
    check_dataset(folder, [(user, item, times[int(item[1:])]) for user, item, _ in rows], 1)
    folder, _ = prepare("table", "log.csv", text_of(rows[::-1]).encode(), *COLUMNS, "--min-count", 1)
    check_dataset(folder, [(user, item, times[int(item[1:])]) for user, item, _ in rows[::-1]], 1)


def test_a_form_that_is_told():
    rows = [(f"u{n}", f"i{place}", f"{place + 1:02d}.03.2021 10:00") for n in range(10) for place in range(5)]
    content = text_of(rows).encode()
    folder, said = prepare("table", "log.csv", content, *COLUMNS, "--time-format", "%d.%m.%Y %H:%M")
    assert folder, said
    first = 1614592800
    check_dataset(folder, [(user, item, first + 86400 * int(item[1:])) for user, item, _ in rows])
    _, said = prepare("table", "log.csv", content, *COLUMNS)
    check_message(said, "log.csv", line=2)
    assert "--time-format" in said


@pytest.mark.parametrize("units", list(itertools.combinations(["ns", "us", "ms", "date"], 2)))
def test_parquet_of_different_units_is_one_log(tmp_path, units):
    (tmp_path / "log").mkdir()
    days = [n % 9 for n in range(90)]
    rows = [(f"u{n % 10}", f"i{days[n]}", START // 86400 * 86400 + 86400 * days[n]) for n in range(90)]
    for unit, some in zip(units, (rows[:45], rows[45:]), strict=True):
        frame = polars.DataFrame(some, schema=["user", "item", "time"], orient="row")
        kind = polars.Date if unit == "date" else polars.Datetime(unit)
        frame = frame.with_columns(polars.from_epoch("time").cast(kind))
        frame.write_parquet(tmp_path / f"log/{unit}.parquet")
    main(["table", str(tmp_path / "log"), *COLUMNS, "--output", str(tmp_path / "data")])
    found = [row for unit in sorted(units) for row in (rows[:45] if unit == units[0] else rows[45:])]
    check_dataset(tmp_path / "data", found)


@pytest.mark.parametrize("first, second", [(START, "2024-01-01"), ("2024-01-01", START), (START, START * 1000)])
def test_two_units_in_one_log_are_refused(tmp_path, capsys, first, second):
    (tmp_path / "log").mkdir()
    for part, time in enumerate((first, second)):
        rows = [(f"u{n % 5}", f"i{n % 7}", time) for n in range(70)]
        (tmp_path / f"log/{part}.csv").write_text(text_of(rows))
    with pytest.raises(SystemExit) as ended:
        main(["table", str(tmp_path / "log"), *COLUMNS, "--output", str(tmp_path / "data")])
    assert ended.value.code == 2
    assert "1.csv:2: time is" in capsys.readouterr().err


@pytest.mark.parametrize(
    "unit, parts", [("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9)]
)
def test_the_unit_of_numbers_is_said(unit, parts):
    rows = [(user, item, time * parts + 1) for user, item, time in EVENTS]
    folder, said = prepare("table", "log.csv", text_of(rows).encode(), *COLUMNS)
    check_dataset(folder, rows)
    assert f"time: {unit} since 1970, by their size\n" in said


def test_without_times_the_order_is_the_file_s():
    folder, said = prepare("table", "log.csv", text_of(EVENTS).encode(), *COLUMNS[:4])
    check_dataset(folder, [(user, item, place) for place, (user, item, _) in enumerate(EVENTS)])
    assert "no --time: the events are in the order of the file\n" in said


@pytest.mark.parametrize("marker", sorted(naive.EMPTY))
@pytest.mark.parametrize("column", [0, 1, 2])
def test_what_stands_for_nothing_is_dropped_and_counted(marker, column):
    rows = [
        tuple(marker if place == column and n % 7 == 0 else one for place, one in enumerate(row))
        for n, row in enumerate(EVENTS)
    ]
    folder, said = prepare("table", "log.csv", text_of(rows).encode(), *COLUMNS)
    assert folder, said
    check_dataset(folder, [row for n, row in enumerate(EVENTS) if n % 7], read=len(EVENTS))
    assert meta_of(folder)["dropped"][f"{('user', 'item', 'time')[column]} is empty"] == 58


def test_ties_do_not_depend_on_the_file_s_order_and_are_said(tmp_path):
    rng = random.Random(3)
    rows = [(f"u{user}", f"i{item}", START + user) for user in range(60) for item in rng.sample(range(20), 8)]
    by_item = sorted(rows, key=lambda row: row[1])
    found = []
    for log in (rows, by_item, rows[::-1]):
        folder, said = prepare("table", "log.csv", text_of(log).encode(), *COLUMNS)
        check_dataset(folder, log)
        assert "100.0 % of the events share their time" in said
        assert meta_of(folder)["ties"] == {"order": "draw", "events": 480}
        items, users = (dict(table_of(folder / f"{kind}_map.csv")[1:]) for kind in ("item", "user"))
        lists = {}
        for split in ("train", "valid", "test"):
            for user, item, _ in rows_of(folder / split):
                lists.setdefault(users[str(user)], []).append(items[str(item)])
        found.append(lists)
    assert found[0] == found[1] == found[2]
    last = [one[-1] for one in found[0].values()]
    assert max(map(last.count, last)) < 12  # of 60 users: no item stands last for everybody
    folder, said = prepare("table", "log.csv", text_of(by_item).encode(), *COLUMNS, "--ties", "file")
    check_dataset(folder, by_item, ties="file")


def test_no_tie_no_draw():
    rows = np.arange(4)
    assert draw(None, rows, np.zeros(4, bool)) is rows


def test_folders_within_folders_are_columns_and_nothing_is_left_out(tmp_path, capsys):
    days = ["2024-01-01", "2024-01-02", "2024-01-03"]
    found = []
    for part, day in enumerate(days):
        (tmp_path / f"log/dt={day}").mkdir(parents=True)
        rows = [(f"u{n % 9}", f"i{n % 8}") for n in range(part, 90)]
        (tmp_path / f"log/dt={day}/part-0.csv").write_text(text_of(rows, header=("user", "item")))
        found += [(*row, 1704067200 + 86400 * part) for row in rows]
    main(["table", str(tmp_path / "log"), *COLUMNS[:4], "--time", "dt", "--output", str(tmp_path / "data")])
    check_dataset(tmp_path / "data", found)
    options = [*COLUMNS[:4], "--where", f"dt={days[1]}", "--output", str(tmp_path / "one")]
    main(["table", str(tmp_path / "log"), *options])
    assert meta_of(tmp_path / "one")["dropped"]["dt is not 2024-01-02"] == 178
    (tmp_path / "log/loose.csv").write_text(text_of([("u1", "i1")], header=("user", "item")))
    with pytest.raises(SystemExit):
        main(["table", str(tmp_path / "log"), *COLUMNS[:4], "--time", "dt", "--output", str(tmp_path / "data")])
    assert "loose.csv:1: no column 'dt'" in capsys.readouterr().err


def test_a_delta_table_is_refused(tmp_path, capsys):
    (tmp_path / "log/_delta_log").mkdir(parents=True)
    (tmp_path / "log/_delta_log/0.json").write_text("{}")
    (tmp_path / "log/part-0.csv").write_text(text_of(EVENTS))
    with pytest.raises(SystemExit):
        main(["table", str(tmp_path / "log"), *COLUMNS, "--output", str(tmp_path / "data")])
    assert "Delta" in capsys.readouterr().err


def test_empty_parts_are_passed_over_with_a_word(tmp_path, capsys):
    (tmp_path / "log").mkdir()
    (tmp_path / "log/0.csv").write_text(text_of(EVENTS))
    (tmp_path / "log/1.csv").write_text("")
    main(["table", str(tmp_path / "log"), *COLUMNS, "--output", str(tmp_path / "data")])
    check_dataset(tmp_path / "data", EVENTS)
    assert "1.csv: empty, passed over" in capsys.readouterr().err


def test_a_pipe_is_refused(tmp_path, capsys):
    os.mkfifo(tmp_path / "log.csv")
    with pytest.raises(SystemExit):
        main(["table", str(tmp_path / "log.csv"), *COLUMNS, "--output", str(tmp_path / "data")])
    assert "write it to a file first" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_whole_ids_that_pandas_wrote_as_fractions(tmp_path, form):
    rows = [(int(user[1:]), int(item[1:]), time) for user, item, time in EVENTS]
    frame = polars.DataFrame([*rows, (None, 3, START)], schema=["user", "item", "time"], orient="row")
    frame = frame.with_columns(polars.col("user").cast(float))
    getattr(frame, f"write_{form}")(tmp_path / f"log.{form}")
    main(["table", str(tmp_path / f"log.{form}"), *COLUMNS, "--output", str(tmp_path / "data")])
    check_dataset(tmp_path / "data", [(str(user), str(item), time) for user, item, time in rows], read=401)


def test_ids_that_are_not_all_whole_stay_as_they_are():
    rows = [(f"{user[1:]}.0" if n else "a", item, time) for n, (user, item, time) in enumerate(EVENTS)]
    folder, said = prepare("table", "log.csv", text_of(rows).encode(), *COLUMNS, "--min-users", 1)
    assert "1.0 is read as 1" not in said
    assert ["0", "a"] in table_of(folder / "user_map.csv")


def test_an_unlikely_share_is_named():
    rows = [row if n % 4 else ("-1", *row[1:]) for n, row in enumerate(EVENTS)]
    rows = [(f"{user}{n % 3}" if user != "-1" else user, item, time) for n, (user, item, time) in enumerate(rows)]
    _, said = prepare("table", "log.csv", text_of(rows).encode(), *COLUMNS)
    assert "warning: user '-1' holds 25.0 % of all events" in said
    _, said = prepare("table", "log.csv", text_of(EVENTS).encode(), *COLUMNS)
    assert "warning" not in said


def test_where_keeps_the_events_that_count():
    kinds, shops = ["view", "cart", "buy"], ["a", "b"]
    rows = [(*row, kinds[n % 3], shops[n % 2]) for n, row in enumerate(EVENTS)]
    content = text_of(rows, header=("user", "item", "time", "event", "shop")).encode()
    options = ("--where", "event=cart,buy", "--where", "shop=a", "--min-count", 1)
    folder, said = prepare("table", "log.csv", content, *COLUMNS, *options)
    good = [row[:3] for row in rows if row[3] != "view" and row[4] == "a"]
    meta = check_dataset(folder, good, 1, read=len(rows))
    assert meta["dropped"]["event is not cart or buy"] == 134
    assert sum(meta["dropped"].values()) == len(rows) - len(good)
    folder, said = prepare("table", "log.csv", content, *COLUMNS, "--where", "event=byu,cart", "--min-count", 1)
    assert "warning: no row has event=byu, among buy, cart, view; did you mean buy?" in said


@pytest.mark.parametrize("unrated", ["drop", "keep"])
def test_events_without_a_rating(unrated):
    rows = [(*row, ["", 1, 5][n % 3]) for n, row in enumerate(EVENTS)]
    content = text_of(rows, header=("user", "item", "time", "stars")).encode()
    options = ("--rating", "stars", "--min-rating", 4, "--unrated", unrated, "--min-count", 1)
    folder, said = prepare("table", "log.csv", content, *COLUMNS, *options)
    good = [row[:3] for row in rows if row[3] == 5 or (unrated == "keep" and row[3] == "")]
    meta = check_dataset(folder, good, 1, read=len(rows))
    assert meta["dropped"].get("stars is empty") == (134 if unrated == "drop" else None)
    assert ("134 kept without a stars" in said) == (unrated == "keep")


def test_users_and_items_may_have_thresholds_of_their_own():
    folder, _ = prepare("table", "log.csv", text_of(EVENTS).encode(), *COLUMNS, "--min-items", 28, "--min-users", 12)
    dropped = meta_of(folder)["dropped"]
    items = {item for item in {row[1] for row in EVENTS} if sum(row[1] == item for row in EVENTS) >= 28}
    assert {row[1] for row in table_of(folder / "item_map.csv")[1:]} == items
    left = [row for row in EVENTS if row[1] in items]
    users = {user for user in {row[0] for row in left} if sum(row[0] == user for row in left) >= 12}
    assert {row[1] for row in table_of(folder / "user_map.csv")[1:]} == users
    assert dropped["items with fewer than 28 interactions"] == len(EVENTS) - len(left)


def attributes_of(folder, kind, name):
    with np.load(folder / f"{kind}_attributes.npz") as file:
        words = file[f"{name}.names"][file[f"{name}.values"]].tolist()
        rows = [words[a:b] for a, b in itertools.pairwise(file[f"{name}.offsets"])]
    return dict(zip([row[1] for row in table_of(folder / f"{kind}_map.csv")[1:]], rows, strict=True))


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_second_files_say_what_items_and_users_are(tmp_path, form):
    shelves = {f"i{n}": ["a", "b"][: n % 3] for n in range(14)}  # i14 is not there
    lists = form == "csv"
    items = polars.DataFrame(
        {"sku": list(shelves), "name": [f"the {one}, new" for one in shelves], "brand": ["x", "y"] * 7,
         "shelf": ["|".join(one) if lists else one for one in shelves.values()]}
    )  # fmt: skip
    users = polars.DataFrame({"user": [f"u{n}" for n in range(30)], "age": [20 + n for n in range(30)]})
    for name, frame in (("items", items), ("users", users)):
        write = frame.write_ndjson if form == "json" else getattr(frame, f"write_{form}")
        write(tmp_path / f"{name}.{form}")
    second = ["--items", tmp_path / f"items.{form}", "--item-id", "sku", "--title", "name", "--category", "brand"]
    second += [
        "--attributes",
        "shelf|" if lists else "shelf",
        "--users",
        tmp_path / f"users.{form}",
        "--user-attributes",
        "age",
    ]
    folder, said = prepare("table", "log.csv", text_of(EVENTS).encode(), *COLUMNS, *second)
    assert folder, said
    check_dataset(folder, EVENTS)
    known = attributes_of(folder, "item", "shelf")
    assert known == {item: shelves.get(item, []) for item in known}
    titles = attributes_of(folder, "item", "title")
    assert titles == {item: [f"the {item}, new"] if item in shelves else [] for item in known}
    assert attributes_of(folder, "user", "age")["u7"] == ["27"]
    names = ["x", "y", ""]
    category = np.load(folder / "item_category.npy")[1:]
    assert [names[n] for n in category] == [["x", "y"][int(item[1:]) % 2] if item in shelves else "" for item in known]
    assert f"14 of 15 items are in {tmp_path}/items.{form}" in said
    assert f"20 of 20 users are in {tmp_path}/users.{form}" in said


def test_attributes_and_titles_of_the_log_itself():
    rows = [(*row, f"the {row[1]}", f"b{row[1][-1]}") for row in EVENTS]
    content = text_of(rows, header=("user", "item", "time", "name", "brand")).encode()
    folder, said = prepare("table", "log.csv", content, *COLUMNS, "--title", "name", "--attributes", "brand")
    assert folder, said
    assert attributes_of(folder, "item", "title")["i3"] == ["the i3"]
    assert attributes_of(folder, "item", "brand")["i13"] == ["b3"]


@pytest.mark.slow
def test_long_ids_take_the_room_of_their_bytes():
    """One id of 999 characters in a log of 60,000 rows: as arrays of one width these were gigabytes."""
    import tracemalloc

    rows = [(f"u{n % 100}", f"i{n % 50}", START + n) for n in range(60_000)]
    rows[5] = ("u5", "i" * 999, START + 5)
    for source, content in (("table", text_of(rows)), ("sequences", "".join(f"{u} {i}\n" for u, i, _ in rows))):
        tracemalloc.start()
        folder, said = prepare(source, "log.csv", content.encode(), *(COLUMNS if source == "table" else ()))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert folder or "alone" in said
        assert peak < 150e6  # 64 MB of them the block that a file is read in


def test_the_reference_draws_as_the_code_does():
    rows = [("u1", f"i{n}", 5) for n in range(9)]
    *_, lists, _ = reference(rows, 1)
    assert sorted(item for item, _ in lists["u1"]) == list(range(1, 10))
    assert [item for item, _ in lists["u1"]] != list(range(1, 10))
