"""A split that is there already, and a frame instead of a file."""

import random

import polars
import pytest
import yaml
from naive import check_dataset, reference, rows_of, table_of

from tools.common.errors import UserError
from tools.data.dataset import data_files, read_evaluation
from tools.logs.frame import prepare_frame
from tools.preprocess import main

COLUMNS = ("--user", "user", "--item", "item", "--time", "time")
START = 1_600_000_000


def log(seed=0, users=20, count=400):
    rng = random.Random(seed)
    return [(f"u{rng.randrange(users)}", f"i{rng.randrange(15)}", START + rng.randrange(10**6)) for _ in range(count)]


def write(path, rows):
    path.write_text("user,item,time\n" + "".join(f"{user},{item},{time}\n" for user, item, time in rows))
    return str(path)


def test_a_split_by_time_keeps_who_was_asked_what(tmp_path, capsys):
    rows = sorted(log(), key=lambda row: row[2])
    rows.append(("new", "only-in-test", START + 10**7))
    rows += [("new2", f"i{n}", START + 10**7 + n) for n in range(10)]
    parts = {"train": rows[:300], "valid": rows[300:350], "test": rows[350:]}
    files = [write(tmp_path / f"{name}.csv", random.Random(1).sample(some, len(some))) for name, some in parts.items()]
    main(["split", *files, *COLUMNS, "--output", str(tmp_path / "data")])
    said = capsys.readouterr().out
    assert "warning: 1 later events are of the 1 items that train has not\n" in said
    items, users = (
        {name: int(n) for n, name in table_of(tmp_path / f"data/{kind}_map.csv")[1:]} for kind in ("item", "user")
    )
    _, _, lists, _ = reference(parts["train"], 1)
    names = {number: name for name, number in users.items()}
    found = {}
    for user, item, time in rows_of(tmp_path / "data/train"):
        found.setdefault(names[user], []).append((item, time))
    by_name = {number: name for name, number in items.items()}
    count = [sum(row[1] == by_name[n] for row in parts["train"]) for n in range(1, len(items) + 1)]
    assert count == sorted(count, reverse=True)
    assert {user: [time for _, time in one] for user, one in found.items()} == {
        user: [time for _, time in one] for user, one in lists.items()
    }
    for name, earlier in (("valid", parts["train"]), ("test", parts["train"] + parts["valid"])):
        data, short = read_evaluation(data_files(tmp_path / "data" / name), len(items) + 1)
        for row, user in enumerate(data.users.tolist()):
            late = [items[item] for who, item, _ in parts[name] if who == names[user]]
            before = [items[item] for who, item, _ in earlier if who == names[user]]
            if before:
                assert data.history.take([row]).values.tolist() == before
                assert data.target.take([row]).values.tolist() == late
            else:
                cut = int(0.8 * len(late))
                assert data.history.take([row]).values.tolist() == late[:cut]
        assert short == (name == "test")  # "new" has one event, and no history
    meta = yaml.safe_load((tmp_path / "data/meta.yaml").read_text())
    assert [meta["splits"][name]["interactions"] for name in parts] == [300, 50, len(rows) - 350]


def test_without_a_valid_split(tmp_path, capsys):
    rows = sorted(log(), key=lambda row: row[2])
    files = [write(tmp_path / "a.csv", rows[:320]), write(tmp_path / "b.csv", rows[320:])]
    main(["split", *files, *COLUMNS, "--output", str(tmp_path / "data")])
    assert "no valid split: set runner.valid_data_dir: ''" in capsys.readouterr().out
    assert sorted(one.name for one in (tmp_path / "data").iterdir() if one.is_dir()) == ["test", "train"]


@pytest.mark.parametrize("count", [1, 4])
def test_a_split_has_two_or_three_files(tmp_path, count, capsys):
    files = [write(tmp_path / f"{n}.csv", log(n)) for n in range(count)]
    with pytest.raises(SystemExit) as ended:
        main(["split", *files, *COLUMNS, "--output", str(tmp_path / "data")])
    assert ended.value.code == 2
    assert "TRAIN VALID TEST" in capsys.readouterr().err


FRAMES = {
    "polars": lambda rows: polars.DataFrame(rows, schema=["user", "item", "time"], orient="row"),
    "lazy": lambda rows: polars.LazyFrame(rows, schema=["user", "item", "time"], orient="row"),
}
PANDAS = ("pandas", "dates", "zones", "categories", "objects")


def frame_of_pandas(name, rows):
    import pandas

    user, item, time = zip(*rows, strict=True)
    table = pandas.DataFrame({"user": user, "item": item, "time": time})
    dated = table.assign(time=pandas.to_datetime(table["time"], unit="s"))
    return {
        "pandas": table,
        "dates": dated,
        "zones": dated.assign(time=dated["time"].dt.tz_localize("UTC").dt.tz_convert("Asia/Shanghai")),
        "categories": table.astype({"user": "category", "item": "category"}),
        "objects": table.astype(object),
    }[name]


def check_frame(folder, frame, rows):
    meta = prepare_frame(frame, user="user", item="item", time="time", output=folder / "data")
    check_dataset(folder / "data", rows)
    assert meta["interactions"] == len(rows)
    assert [one.name for one in folder.iterdir()] == ["data"]


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_the_log_that_it_holds(tmp_path, capsys, name):
    check_frame(tmp_path, FRAMES[name](log(3)), log(3))
    assert "400 interactions read" in capsys.readouterr().out


@pytest.mark.extras
@pytest.mark.parametrize("name", PANDAS)
def test_a_frame_of_pandas_is_too(tmp_path, name):
    check_frame(tmp_path, frame_of_pandas(name, log(3)), log(3))


@pytest.mark.extras
def test_numbers_beside_none_in_pandas_are_whole(tmp_path):
    rows = [(int(user[1:]), int(item[1:]), time) for user, item, time in log(4)]
    import pandas

    frame = pandas.DataFrame([*rows, (None, 3, START), (float("nan"), 4, START)], columns=["user", "item", "time"])
    prepare_frame(frame, user="user", item="item", time="time", output=tmp_path / "data")
    check_dataset(tmp_path / "data", [(str(user), str(item), time) for user, item, time in rows], read=402)


def test_what_counts_of_a_frame(tmp_path):
    rows = [(*row, n % 2, n % 5) for n, row in enumerate(log(5))]
    frame = polars.DataFrame(rows, schema=["user", "item", "time", "click", "stars"], orient="row")
    options = {"where": {"click": [1]}, "rating": "stars", "min_rating": 2, "min_items": 1, "min_users": 1}
    prepare_frame(frame, user="user", item="item", time="time", output=tmp_path / "data", **options)
    check_dataset(tmp_path / "data", [row[:3] for row in rows if row[3] and row[4] >= 2], 1, read=400)


def test_what_is_no_frame_or_has_no_such_column(tmp_path):
    for bad, said in (([1, 2], "neither a frame"), (polars.DataFrame({"users": ["a"]}), "did you mean users[?]")):
        with pytest.raises(UserError, match=said):
            prepare_frame(bad, user="user", item="item", output=tmp_path / "data")
