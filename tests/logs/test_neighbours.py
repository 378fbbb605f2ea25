"""Forms beside the ones that are well known: each is read rightly, or refused in a line that names cause and fix."""

import shutil
import zipfile
from datetime import datetime, timezone

import numpy as np
import polars
import pytest

from tools.common.errors import UserError
from tools.logs.engine import read_log
from tools.logs.form import Form
from tools.logs.sources import log_files

FORM = Form({"user": "user", "item": "item", "time": "ts"})
ROWS = [(user, f"i{(user + step) % 7}", 1_600_000_000 + 86_400 * step + user) for user in range(9) for step in range(4)]


def text(rows, head="user,item,ts", separator=","):
    return "".join(separator.join(map(str, row)) + "\n" for row in [head.split(","), *rows])


@pytest.fixture
def read(tmp_path):
    """`(user, item)` of each row, by own ids, of each user the oldest first; and the log."""

    def call(path):
        scratch = tmp_path / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        log = read_log(path, FORM, scratch, log_files(path))
        order = np.lexsort((log.time, log.user))
        return list(zip(log.user_names[log.user[order]], log.item_names[log.item[order]], strict=True)), log

    return call


def expected(rows=ROWS):
    return [(str(user), item) for user, item, _ in rows]


@pytest.mark.parametrize("marker", ["#N/A", "(null)", " NULL ", "   ", "-nan", "NONE", "1.#QNAN"])
def test_a_marker_of_nothing_is_no_user(marker, read, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(text([*ROWS, *[(marker, "i1", 1_600_000_000 + n) for n in range(5)]]))
    found, log = read(path)
    assert found == expected()
    assert log.dropped["user is empty"] == 5


@pytest.mark.parametrize(
    "form", ["%Y-%m-%dT%H:%M:%S+00", "%Y-%m-%d %H:%M:%S.25+00", "%Y%m%dT%H%M%SZ", "%Y%m%dT%H%M%S", "mixed"]
)
def test_times_of_databases(form, read, tmp_path):
    path = tmp_path / "log.csv"

    def written(number, time):
        if form != "mixed":
            return datetime.fromtimestamp(time, timezone.utc).strftime(form)
        hours = 12 * (number % 2)  # of each two events one is written in a zone whose clock is half a day ahead
        return datetime.fromtimestamp(time + 3600 * hours, timezone.utc).strftime(f"%Y-%m-%d %H:%M:%S+{hours:02}")

    rows = [(user, item, written(number, time)) for number, (user, item, time) in enumerate(ROWS)]
    path.write_text(text(rows))
    assert read(path)[0] == expected()


@pytest.mark.parametrize("form", ["csv", "decimal"])
def test_ids_of_two_decimals_are_whole(form, read, tmp_path):
    path = tmp_path / f"log.{'csv' if form == 'csv' else 'parquet'}"
    if form == "csv":
        path.write_text(text([(f"{user}.00", item, time) for user, item, time in ROWS]))
    else:
        frame = polars.DataFrame(ROWS, schema=["user", "item", "ts"], orient="row")
        frame.with_columns(polars.col("user").cast(polars.Decimal(10, 2))).write_parquet(path)
    found, log = read(path)
    assert found == expected()
    assert "user: all ids are whole, 1.0 is read as 1" in log.notes


def test_what_only_ends_with_zeros_stays(read, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(text([(f"{user}.50" if user else "1.00", item, time) for user, item, time in ROWS]))
    assert {user for user, _ in read(path)[0]} == {"1.00", *(f"{user}.50" for user in range(1, 9))}


def test_spaces_around_the_names_of_columns(read, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(text(ROWS, head="user, item, ts "))
    assert read(path)[0] == expected()


@pytest.mark.parametrize("name", ["log/part-00000", "log.csv"])
def test_parquet_under_another_name(name, read, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    polars.DataFrame(ROWS, schema=["user", "item", "ts"], orient="row").write_parquet(path)
    assert read(tmp_path / name.partition("/")[0])[0] == expected()


def columns(**changed):
    def write(path):
        frame = polars.DataFrame(ROWS, schema=["user", "item", "ts"], orient="row").with_columns(**changed)
        frame.write_parquet(path.with_suffix(".parquet"))
        return path.with_suffix(".parquet")

    return write


def bytes_of(content):
    def write(path):
        path.write_bytes(content)
        return path

    return write


def archive(path):
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as file:
        file.writestr("log.csv", text(ROWS))
        file.writestr("notes.txt", "the terms\n")
    return path.with_suffix(".zip")


@pytest.mark.parametrize(
    "write, message",
    [
        (columns(ts=polars.duration(seconds="ts")), "ts is a column of Duration, and must be one of texts, numbers"),
        (columns(item=polars.concat_list("item")), "item is a column of List, and must be one of texts"),
        (columns(user=polars.struct("user")), "user is a column of Struct, and must be one of texts"),
        (bytes_of(b""), "log.csv: empty; nothing to prepare"),
        (bytes_of(b"\n\n"), "log.csv: empty; nothing to prepare"),
        (bytes_of("用户,item,ts\n".encode("gbk")), "save the file as UTF-8, or table and split take --encoding"),
        (archive, "notes.txt:1: no column 'user' among the terms; for one file of the archive give .*log.zip/NAME"),
    ],
    ids=range(7),
)
def test_what_cannot_be_read_says_why(write, message, read, tmp_path):
    path = write(tmp_path / "log.csv")
    with pytest.raises(UserError, match=message):
        read(path)
    if path.suffix == ".zip":
        assert read(path / "log.csv")[0] == expected()
