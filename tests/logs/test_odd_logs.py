"""Logs that looked right and were read wrongly, or not at all: each is read as it is meant, or refused in a line."""

import gzip
import re
import shutil
import zipfile

import numpy as np
import polars
import pytest

from tools.common.errors import UserError
from tools.logs.engine import read_log
from tools.logs.form import Form
from tools.logs.frame import as_polars, prepare_frame
from tools.logs.sources import log_files
from tools.preprocess import main

COLUMNS = {"user": "user", "item": "item", "time": "ts"}
START = 1_600_000_000
ROWS = [(f"u{user}", f"i{(user + step) % 7}", START + 86_400 * step + user) for user in range(9) for step in range(4)]
TABLE = ["--user", "user", "--item", "item", "--time", "ts"]


def text(rows=ROWS, head="user,item,ts", separator=","):
    return "".join(separator.join(map(str, row)) + "\n" for row in [head.split(","), *rows])


@pytest.fixture
def read(tmp_path):
    """The log of a path, or of what is written as `log.csv`."""

    def call(source, **columns):
        path = source
        if isinstance(source, str | bytes):
            path = tmp_path / "log.csv"
            path.write_bytes(source if isinstance(source, bytes) else source.encode())
        scratch = tmp_path / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        return read_log(path, Form(COLUMNS | columns), scratch, log_files(path))

    return call


def events(log):
    order = np.lexsort((log.time, log.user))
    return list(zip(log.user_names[log.user[order]], log.item_names[log.item[order]], log.time[order], strict=True))


@pytest.mark.parametrize("times, said", [
    (lambda row: 0 if row[0] == "u1" else row[2], "4 of 36 are none from 1990 to 2100, .*log.csv:6: ts is 0;"),
    (lambda row: -1 if row[0] == "u0" else row[2], "4 of 36 are none .*log.csv:2: ts is -1; are they times"),
    (lambda row: 9_999_999_999 if row[0] == "u1" else row[2], "the first .*log.csv:6: ts is 9999999999; are they"),
    (lambda row: row[2] // 86_400 if row[0] == "u1" else row[2], "4 of 36 are none .* ts is 18518; are they times"),
])  # fmt: skip
def test_times_that_may_be_none_are_named(times, said, read):
    (told, warning) = read(text([(*row[:2], times(row)) for row in ROWS])).notes[0].split("\n")
    assert told == "ts: seconds since 1970, by their size"
    assert re.search(said, warning)


def test_two_units_are_refused_beside_zeros_too(read):
    rows = [(*row[:2], {"u1": 0, "u2": row[2] * 1000}.get(row[0], row[2])) for row in ROWS]
    with pytest.raises(UserError, match=r"log.csv:10: ts is 16000\d+, milliseconds by its size, where others are sec"):
        read(text(rows))


@pytest.mark.parametrize("time", [10**19, 10**30, -(2**64)])
def test_a_time_that_64_bits_do_not_hold_is_no_tie(time, read):
    with pytest.raises(UserError, match=r"log.csv:38: ts is -?\d+, more than 64 bits hold"):
        read(text([*ROWS, ("u1", "i1", time)]))


def parquet(path, **changed):
    polars.DataFrame(ROWS, schema=["user", "item", "ts"], orient="row").with_columns(**changed).write_parquet(path)
    return path


@pytest.mark.parametrize("changed, said", [
    ({"ts": polars.col("ts").cast(polars.Float32)}, "ts is 1.*, a number of 32 bits, which has lost its last digits"),
    ({"ts": polars.col("ts").cast(polars.UInt64) + 2**63}, "ts is 9.*, more than 64 bits hold"),
    ({"user": polars.col("ts").cast(polars.Float64) + 10**18}, "user is 1.*e.18: a whole number without its"),
    ({"item": polars.col("ts").cast(polars.Float32)}, "item is 1.*: a whole number without its last digits"),
])  # fmt: skip
def test_numbers_that_have_lost_digits_are_refused(changed, said, read, tmp_path):
    with pytest.raises(UserError, match=rf"log.parquet:1: {said}"):
        read(parquet(tmp_path / "log.parquet", **changed))


@pytest.mark.parametrize("ids", ["1.23457E+{}", "1e+{}", "1.0E{}"])
def test_long_ids_of_a_spreadsheet_are_refused(ids, read):
    with pytest.raises(UserError, match=r"user is 1.*E?e?\+?18: a whole number without its last digits, as spreadsh"):
        read(text([*ROWS, (ids.format(18), "i1", START)]))


def test_ids_that_only_look_like_rounded_numbers_stay(read):
    hexadecimal = [("1e12", "i1", START), ("12e18", "i1", START + 1), ("1.5E", "2e+x", START + 2)]
    assert events(read(text(hexadecimal))) == hexadecimal


def test_blanks_around_ids_are_told(read):
    rows = [(f"{user} ", f" {item}", time) for user, item, time in ROWS]
    log = read(text(rows))
    assert events(log) == rows
    assert log.notes[1:] == [
        f"warning: {name} has blanks around it, which are part of the id" for name in ("user 'u0 '", "item ' i0'")
    ]


def test_blank_lines_above_the_header(read):
    assert events(read("\n \n\n" + text())) == ROWS
    with pytest.raises(UserError, match=r"log.csv:40: ts is 'x'"):
        read("\n\n" + text([*ROWS, ("u1", "i1", "x")]))


@pytest.mark.parametrize("columns", [{"item": "user"}, {"time": "user"}])
def test_one_column_for_two_roles_is_refused(columns, read):
    with pytest.raises(UserError, match=r"^user is named for both user and (item|time); each has a column of its own"):
        read(text(), **columns)


def test_a_log_beside_its_packed_form_is_refused(tmp_path, capsys):
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.csv").write_text(text())
    (folder / "a.csv.gz").write_bytes(gzip.compress(text().encode()))
    with pytest.raises(UserError, match=r"logs/a.csv, .*logs/a.csv.gz: the same log twice, each event would count ag"):
        log_files(folder)
    (folder / "a.csv.gz").rename(folder / "b.csv.gz")  # whose name says nothing
    shutil.copy(folder / "a.csv", folder / "c.csv")
    main(["table", str(folder), *TABLE, "--min-count", "1", "--output", str(tmp_path / "data")])
    assert f"warning: {folder}/c.csv has the bytes of {folder}/a.csv: its events count twice" in capsys.readouterr().out


def test_a_public_log_that_is_there_twice_is_refused(tmp_path, capsys):
    for name in ("ml-25m", "ml-32m"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ratings.csv").write_text(text(head="userId,movieId,timestamp"))
    with pytest.raises(SystemExit):
        main(["movielens", str(tmp_path), "--output", str(tmp_path / "data")])
    assert f"{tmp_path}/ml-25m/ratings.csv, {tmp_path}/ml-32m/ratings.csv: the same log" in capsys.readouterr().err


def zipped(path, change=lambda content, entry: None):
    """A zip file of the log, `change` done to its bytes; `entry` is where its directory begins."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", text())
    content = bytearray(path.read_bytes())
    changed = change(content, content.find(b"PK\1\2"))
    path.write_bytes(content if changed is None else changed)
    return path


def encrypt(content, entry):
    content[6] |= 1
    content[entry + 8] |= 1


def pack_otherwise(content, entry):
    content[8] = content[entry + 10] = 9


@pytest.mark.parametrize("name, change, said", [
    ("a.zip", encrypt, "a.zip/a.csv: not an archive that can be opened .*is encrypted"),
    ("a.zip", pack_otherwise, "a.zip/a.csv: not an archive that can be opened .*compression method is not supported"),
    ("a.zip", lambda content, entry: content[:entry], "a.zip: not an archive that can be opened .*not a zip file"),
    ("a.tar.gz", lambda content, entry: text().encode(), "a.tar.gz: not an archive that can be opened"),
    ("a.bin", lambda content, entry: None, "a.bin: a zip file, which is read alone and by the name .zip; unpack it"),
    ("a.xlsx", lambda content, entry: None, "a.xlsx: a workbook; save it as CSV"),
])  # fmt: skip
def test_archives_that_cannot_be_opened_say_why(name, change, said, tmp_path, read):
    with pytest.raises(UserError, match=said):
        read(zipped(tmp_path / name, change))


def test_a_file_that_an_archive_has_not(tmp_path, read):
    with pytest.raises(UserError, match=r"a.zip/b.csv: not an archive that can be opened .*no item named 'b.csv'"):
        read(zipped(tmp_path / "a.zip") / "b.csv")


@pytest.mark.parametrize("content, said", [
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"), (b"SQLite format 3\0", "a database; export the table as CSV"),
    (b"\x80\x04\x95\0\0", "a pickle; write it as Parquet"),
    (text().encode("utf-16"), "text of UTF-16; .* --encoding utf-16"),
    (text().encode("utf-32"), "text of UTF-32; .* --encoding utf-32"), (b"ARROW1\0\0", "an Arrow file"),
])  # fmt: skip
def test_what_is_no_text_is_named(content, said, read):
    with pytest.raises(UserError, match=rf"log\.csv: {said}"):
        read(content)


def test_what_is_packed_otherwise_than_its_name_says(tmp_path, read):
    (tmp_path / "log.csv.xz").write_bytes(gzip.compress(text().encode()))
    assert events(read(tmp_path / "log.csv.xz")) == ROWS


def test_a_frame_s_message_names_no_passing_file(tmp_path):
    frame = polars.DataFrame(ROWS, schema=["user", "item", "ts"], orient="row")
    for odd, said in (
        (frame.with_columns(ts=polars.lit("soon")), "^frame:1: ts is 'soon'"),
        (frame.drop("ts"), "^frame:1: no column 'ts'"),
        (
            frame.with_columns(other=polars.Series([object()] * len(frame), dtype=polars.Object)).head(0),
            "^frame: no rows",
        ),
    ):
        with pytest.raises(UserError, match=said):
            prepare_frame(odd, user="user", item="item", time="ts", output=tmp_path / "data")


@pytest.mark.extras
def test_columns_of_pandas_as_they_come():
    import pandas

    times = pandas.to_datetime([START, START + 1], unit="s")
    frame = pandas.DataFrame({0: [1, 2], ("a", "b"): ["x", "y"], "s": times.astype("datetime64[s]")})
    frame["zone"] = frame["s"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    frame["period"], frame["between"] = times.to_period("s"), pandas.cut(frame[0], 2)
    found = as_polars(frame, ["0", "('a', 'b')", "s", "zone", "period", "between"])
    assert found["0"].to_list() == [1, 2]
    assert found["('a', 'b')"].to_list() == ["x", "y"]
    for name in ("s", "zone"):
        assert found[name].dt.epoch("s").to_list() == [START, START + 1]
    assert found["period"][0] == "2020-09-13 12:26:40"
    assert found["between"].dtype == polars.String
    with pytest.raises(UserError, match="frame: the column '0' occurs twice"):
        as_polars(pandas.concat([frame, frame], axis=1), ["0"])
    with pytest.raises(UserError, match=r"frame: 's' is its index, and no column; give frame.reset_index"):
        as_polars(frame.set_index("s"), ["s"])
