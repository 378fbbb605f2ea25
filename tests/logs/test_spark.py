"""The Spark job in local mode: the folder that tools.preprocess writes, to the byte, and the reference's."""

import json
import os

import naive
import pytest
from random_logs import COLUMNS, as_csv, as_reviews, first_kind, metadata, random_rows

from tools import preprocess, spark
from tools.logs import protocol

pytestmark = pytest.mark.extras


@pytest.fixture(autouse=True)
def _local(monkeypatch):
    """One machine, several partitions even of small files, and stretches of a few rows."""
    options = "--conf spark.sql.files.maxPartitionBytes=4096 --conf spark.sql.shuffle.partitions=3 "
    options += (
        "--conf spark.driver.bindAddress=127.0.0.1 --conf spark.driver.host=127.0.0.1 --conf spark.ui.enabled=false "
    )
    # Compiling for rows by the thousand takes longer than the rows.
    options += "--conf spark.sql.codegen.wholeStage=false --conf spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1 "
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", options + "--master local[2] pyspark-shell")
    monkeypatch.setattr(protocol, "STRETCH", 37)


def both(tmp_path, source, path, *options):
    """The folder, after a look that `tools.preprocess` writes the same."""
    for command, name in ((spark, "a"), (preprocess, "b")):
        command.main([source, str(path), *map(str, options), "--output", str(tmp_path / name)])
    naive.same_folder(tmp_path / "a", tmp_path / "b")
    return tmp_path / "a"


@pytest.mark.parametrize("protocol_name", ["comirec", "mind"])
def test_a_folder_of_csv(tmp_path, protocol_name):
    rows = random_rows(1)
    rows[3] = ("", "i1", 5, "k1", 4)
    (tmp_path / "log").mkdir()
    for part in range(3):
        (tmp_path / f"log/{part}.csv").write_bytes(as_csv(rows[part * 300 : part * 300 + 300]))
    rated = ["--rating", "stars", "--min-rating", "2", "--category", "kind", "--protocol", protocol_name]
    folder = both(tmp_path, "table", tmp_path / "log", *COLUMNS, *rated)
    good = [row for row in rows if row[4] >= 2]
    leaf = first_kind([row for row in good if row[0]])
    rest = len(rows) - len(good)
    naive.check(folder, [row[:3] for row in good], protocol=protocol_name, left_out=rest, leaf=leaf)


def test_odd_ids_and_fractions(tmp_path):
    odd = ["007", "7", "a,b", 'say "hi"', "#1", " x", "nan", "\u732b", "1e3"]
    rows = [(odd[n * 5 % 9], odd[n * n % 7], n % 13 / 4) for n in range(300)]
    (tmp_path / "log.csv").write_bytes(as_csv(rows, ("user", "item", "time")))
    naive.check(both(tmp_path, "table", tmp_path / "log.csv", *COLUMNS), rows)


def test_amazon(tmp_path):
    rows = random_rows(2)
    lines, _ = metadata(sorted({row[1] for row in rows})[:-9], 2014)
    (tmp_path / "meta.json").write_text("\n".join(lines))
    (tmp_path / "reviews.json").write_text("\n".join(map(json.dumps, as_reviews(rows))))
    folder = both(tmp_path, "amazon", tmp_path / "reviews.json", "--metadata", tmp_path / "meta.json")
    naive.check(folder, [row[:3] for row in rows])


def test_taobao(tmp_path):
    lines = [(user, item, kind, ("pv", "buy")[stars // 4], time) for user, item, time, kind, stars in random_rows(3)]
    (tmp_path / "UserBehavior.csv").write_bytes(as_csv(lines, None))
    folder = both(tmp_path, "taobao", tmp_path / "UserBehavior.csv")
    good = [(user, item, time) for user, item, _, behavior, time in lines if behavior == "pv"]
    naive.check(folder, good, left_out=len(lines) - len(good))


def test_parquet(tmp_path):
    import polars

    rows = [(int(user[1:]), int(item[1:]), time) for user, item, time, *_ in random_rows(5)]
    frame = polars.DataFrame(rows, schema=["user", "item", "time"], orient="row")
    frame.write_parquet(tmp_path / "log.parquet", row_group_size=100)
    folder = both(tmp_path, "table", tmp_path / "log.parquet", *COLUMNS)
    naive.check(folder, [(str(user), str(item), time) for user, item, time in rows])


@pytest.mark.parametrize(
    "content, said",
    [
        ("user,item,time\nu,i,soon\n", "time is 'soon'"),
        ("user,item,time\nu,i\n", "not readable by Spark"),
        ("user,items,time\nu,i,1\n", "did you mean items?"),
        ("user,item,time\nu,i,1\n", "0 users left"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, capsys, content, said):
    (tmp_path / "log.csv").write_text(content)
    with pytest.raises(SystemExit) as end:
        spark.main(["table", str(tmp_path / "log.csv"), *COLUMNS, "--output", str(tmp_path / "made")])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert "log.csv" in error
    assert os.listdir(tmp_path) == ["log.csv"]
