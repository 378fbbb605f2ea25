"""Parquet logs, through the extra."""

import pytest
from conftest import check_dataset

from tools.preprocess import main

pytestmark = pytest.mark.extras

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
