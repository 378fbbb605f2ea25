"""Parquet logs, through the extra."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import check_message
from naive import check_dataset
from properties import any_bytes, refused

from tools.logs.engine import read_log
from tools.logs.form import Form
from tools.preprocess import main

EVENTS = [(f"u{n % 7}", f"i{n * n % 11}", n % 50) for n in range(300)]


def prepare(tmp_path, frame, *options):
    frame.write_parquet(tmp_path / "log.parquet")
    columns = ["--user", "user", "--item", "item", "--time", "time"]
    main(["table", str(tmp_path / "log.parquet"), *columns, "--output", str(tmp_path / "data"), *options])


def test_parquet_gives_what_the_reference_gives(tmp_path):
    import polars

    prepare(tmp_path, polars.DataFrame(EVENTS, schema=["user", "item", "time"], orient="row"))
    check_dataset(tmp_path / "data", EVENTS)


def test_numbers_and_categories_in_parquet(tmp_path):
    import polars

    numbers = [(int(user[1:]), int(item[1:]), time) for user, item, time in EVENTS]
    frame = polars.DataFrame(numbers, schema=["user", "item", "time"], orient="row")
    prepare(tmp_path, frame.with_columns(kind=polars.col("item") % 3), "--category", "kind")
    check_dataset(tmp_path / "data", [(str(user), str(item), time) for user, item, time in numbers])
    assert (tmp_path / "data" / "category_map.csv").read_text() == "category,name\n0,0\n1,1\n2,2\n"


def test_what_is_no_parquet_is_named(tmp_path, capsys):
    (tmp_path / "log.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(SystemExit) as end:
        main(["table", str(tmp_path / "log.parquet"), "--user", "u", "--item", "i", "--time", "t"])
    assert end.value.code == 2
    assert "log.parquet: not readable as Parquet" in capsys.readouterr().err


@pytest.mark.parametrize(
    "column, values, said",
    [
        ("time", [1.0, float("inf"), 3.0], "log.parquet:2: time is 'inf'"),
        ("time", ["1", "soon", "3"], "log.parquet:2: time is 'soon'"),
        ("time", [True, False, True], "log.parquet:1: time is 'true'"),
        ("user", ["a", "b\n", "c"], "log.parquet:2: user has a line end"),
        ("item", ["a\0", "b", "c"], "log.parquet:1: item has a line end"),
        ("item", [[1], [2], [3]], "log.parquet: item is a column of List"),
        ("items", [1, 2, 3], "no column 'item'"),
    ],
)
def test_a_bad_row_of_parquet_is_named(tmp_path, capsys, column, values, said):
    import polars

    columns = {"user": ["a", "b", "c"], "item": ["a", "b", "c"], "time": [1, 2, 3]}
    columns = {name: one for name, one in columns.items() if not column.startswith(name)} | {column: values}
    with pytest.raises(SystemExit):
        prepare(tmp_path, polars.DataFrame(columns), "--min-count", "1")
    error = capsys.readouterr().err.removeprefix("error: ").removesuffix("\n")
    check_message(error, "log.parquet")
    assert said in error


@pytest.mark.parametrize("whole", [True, False], ids=["numbers", "texts"])
def test_rows_without_an_id_are_counted_in_parquet(tmp_path, whole):
    import polars

    events = [(n % 7, n * n % 11, n) for n in range(300)]
    rows = [*events, (None, 3, 5), (2, None, 5), (None, None, 5)]
    frame = polars.DataFrame(rows, schema=["user", "item", "time"], orient="row")
    frame = frame if whole else frame.with_columns(polars.col("user", "item").cast(polars.String))
    prepare(tmp_path, frame)
    meta = check_dataset(tmp_path / "data", [(str(u), str(i), time) for u, i, time in events], read=len(rows))
    assert (meta["dropped"]["user is empty"], meta["dropped"]["item is empty"]) == (2, 1)


@pytest.mark.parametrize("kind", ["Float64", "Int64", "UInt64", "String", "Datetime", "Decimal"])
def test_times_of_parquet_keep_their_order(tmp_path, kind):
    import polars

    start = 0 if kind == "UInt64" else 1_700_000_000_000_000_000  # nanoseconds, that float64 cannot tell apart
    times = [start // (10**9 if kind in ("Float64", "Decimal") else 1) + n * 7 % 50 for n in range(50)]
    names = ("Float64", "Int64", "UInt64", "String", "Datetime")
    kinds = {name: getattr(polars, name) for name in names} | {"Decimal": polars.Decimal(20, 2)}
    kinds["Datetime"] = polars.Datetime("ns")
    frame = polars.DataFrame({"user": ["a", "b"] * 25, "item": list(range(10)) * 5, "time": times})
    prepare(tmp_path, frame.with_columns(polars.col("time").cast(kinds[kind])), "--min-count", "1")
    users, items = ["a", "b"] * 25, list(map(str, range(10))) * 5
    check_dataset(tmp_path / "data", list(zip(users, items, times, strict=True)), 1)


@given(st.data())
def test_any_bytes_as_parquet(tmp_path, data):
    import polars

    whole = io.BytesIO()
    polars.DataFrame(EVENTS[:20], schema=["user", "item", "time"], orient="row").write_parquet(whole)
    (tmp_path / "log.parquet").write_bytes(data.draw(any_bytes(whole.getvalue())))
    columns = {"user": "user", "item": "item", "time": "time"}
    (tmp_path / "codes").mkdir(exist_ok=True)
    refused(lambda: read_log(tmp_path / "log.parquet", Form(columns), tmp_path / "codes"), "log.parquet")
