"""A data set that goes on from another: numbers and splits stay, whatever is new comes behind, and it is counted."""

import random

import numpy as np
import polars
import pytest
import yaml
from messages import refused

from tools import spark
from tools.data.dataset import read_map, read_sequences
from tools.data.features import attribute
from tools.logs.extend import SPLITS, cut_users
from tools.logs.frame import prepare_frame
from tools.preprocess import main

COLUMNS = ("--user", "user", "--item", "item", "--time", "time")


def log(seed, users=40, items=20, count=600):
    rng = random.Random(seed)
    drawn = [(rng.randrange(users), int(items * rng.random() ** 2), rng.randrange(1000)) for _ in range(count)]
    return [(f"u{user}", f"i{item}", time, f"s{item % 3}") for user, item, time in drawn]


def write(path, rows):
    path.write_text("user,item,time,shop\n" + "".join(f"{','.join(map(str, row))}\n" for row in rows))
    return str(path)


@pytest.fixture
def prepare(tmp_path):
    def call(rows, name, *options):
        file = write(tmp_path / f"{name}.csv", rows)
        main(["table", file, *COLUMNS, "--category", "shop", "--output", str(tmp_path / name), *options])
        return tmp_path / name

    return call


def events(folder):
    """Split -> own id of a user -> own ids of the items, oldest first."""
    items, users = (read_map(folder / f"{kind}_map.csv") for kind in ("item", "user"))
    found = {}
    for name in SPLITS:
        split = read_sequences([str(folder / name / "interactions.csv")], len(items) + 1)
        rows = [[items[item] for item in split.items.take([row]).values] for row in range(len(split.users))]
        found[name] = dict(zip((users[user] for user in split.users.tolist()), rows, strict=True))
    return found


def meta(folder):
    return yaml.safe_load((folder / "meta.yaml").read_text())


def shop(folder, item):
    with np.load(folder / "item_attributes.npz") as arrays:
        names, rows = attribute(dict(arrays), "shop", "")
    return names[rows.take([item - 1]).values].tolist()


@pytest.mark.parametrize("protocol", ["comirec", "mind"])
def test_the_same_log_gives_the_same(protocol, prepare):
    first = prepare(log(1), "first", "--protocol", protocol)
    again = prepare(log(1), "again", "--protocol", protocol, "--extend", str(first))
    files = [path.relative_to(first) for path in first.rglob("*.*") if path.is_file() and path.name != "meta.yaml"]
    assert len(files) > 12
    assert all((first / one).read_bytes() == (again / one).read_bytes() for one in files)
    assert meta(again)["identity"] == meta(first)["identity"] | {"bases": []}


def test_numbers_and_splits_stay_and_new_ones_come_behind(prepare, capsys):
    old = log(2)
    new = [*old, *[(user, item, time + 1000, s) for user, item, time, s in log(3, users=60, items=35, count=900)]]
    new += [(f"u{n}", "hit", 1500, "s0") for n in range(60)]
    first = prepare(old, "first")
    capsys.readouterr()
    second = prepare(new, "second", "--extend", str(first))
    said = capsys.readouterr().out
    for kind in ("item", "user"):
        before, after = (list(read_map(one / f"{kind}_map.csv").items()) for one in (first, second))
        assert after[: len(before)] == before
        assert len(after) > len(before)
    items = list(read_map(second / "item_map.csv").values())
    known = meta(first)["item_count"] - 1
    count = {item: sum(row[1] == item for row in new) for item in items}
    fresh = [count[item] for item in items[known:]]
    assert fresh == sorted(fresh, reverse=True)
    assert min(fresh) >= 5
    assert max(fresh) > min(count[item] for item in items[:known])  # so ids are no order of popularity any more
    before, after = events(first), events(second)
    users = {name: set(one) for name, one in after.items()}
    assert all(set(before[name]) <= users[name] for name in SPLITS)
    total = sum(map(len, users.values()))
    assert len(set().union(*users.values())) == total
    assert [len(users[name]) for name in SPLITS] == [int(0.8 * total), int(0.9 * total) - int(0.8 * total),
                                                     total - int(0.9 * total)]  # fmt: skip
    for rows in after.values():
        for user, theirs in rows.items():
            whole = sorted((row[2], row[1]) for row in new if row[0] == user and row[1] in count)
            assert sorted(theirs) == sorted(item for _, item in whole)
    extends = meta(second)["extends"]
    assert (extends["new_items"], extends["new_users"]) == (len(items) - known, total - meta(first)["users"])
    assert meta(second)["identity"]["bases"] == [meta(first)["identity"]["item_map"]]
    assert (
        f"goes on from {first}: {meta(first)['users']} users and {known} items keep their numbers, "
        f"{extends['new_users']} users and {extends['new_items']} items are new, {meta(first)['interactions']} "
        f"interactions became {meta(second)['interactions']}\n"
    ) in said
    assert "warning" not in said
    third = prepare([*new, *[(f"x{n // 6}", "i1", n, "s1") for n in range(60)]], "third", "--extend", str(second))
    assert meta(third)["identity"]["bases"] == [*meta(second)["identity"]["bases"]]  # no new item: the same map
    assert set(events(third)["test"]) > users["test"]


def test_who_left_the_log_keeps_number_split_and_features(prepare, capsys):
    rows = log(4)
    first = prepare(rows, "first")
    gone = sorted(events(first)["test"])[0]
    some = [row for row in rows if row[0] != gone and row[1] != "i0"]
    capsys.readouterr()
    second = prepare(some, "second", "--extend", str(first))
    said = capsys.readouterr().out
    assert "  1 users and 1 items of it are not in this log\n" in said
    assert "users have fewer events here than in" in said
    items = read_map(first / "item_map.csv")
    assert read_map(second / "item_map.csv") == items
    assert [shop(second, item) for item in items] == [shop(first, item) for item in items]
    categories = [np.load(one / "item_category.npy").tolist() for one in (first, second)]
    assert categories[0] == categories[1]
    assert gone not in set().union(*events(second).values())
    assert meta(second)["users"] == meta(first)["users"]
    third = prepare(rows, "third", "--extend", str(second))
    assert {name: set(one) for name, one in events(third).items()} == {
        name: set(one) for name, one in events(first).items()
    }


def test_a_log_of_the_new_events_alone_is_told(prepare, capsys):
    first = prepare(log(5), "first")
    capsys.readouterr()
    prepare(log(6, count=300), "second", "--extend", str(first))
    said = capsys.readouterr().out
    assert f"fewer events here than in {first}; the log must hold the old events and the new ones" in said


@pytest.mark.parametrize("cuts", [(0.8, 0.9), (0.9, 0.95)])
def test_few_new_users_a_day_end_where_the_shares_say(cuts):
    splits = {name: np.zeros(0, np.int64) for name in SPLITS}
    for users in range(3, 400, 3):
        before, splits = splits, cut_users(splits, users, cuts)
        assert all((splits[name][: len(before[name])] == before[name]).all() for name in SPLITS)
        assert sorted(np.concatenate(list(splits.values()))) == list(range(users))
    got = np.cumsum([len(splits[name]) for name in SPLITS]) / users
    np.testing.assert_allclose(got, [*cuts, 1], atol=0.01)


def test_a_ready_made_split(tmp_path, capsys):
    rows = log(7, count=900)
    train, test = rows[:600], [(*row[:2], row[2] + 1000, row[3]) for row in rows[600:]]
    files = [write(tmp_path / f"{name}.csv", some) for name, some in (("train", train), ("test", test))]
    main(["split", *files, *COLUMNS, "--output", str(tmp_path / "first")])
    more = [*train, *[(f"v{n % 4}", f"new{n % 3}", n, "") for n in range(90)]]
    more = [row for row in more if row[1] != "i3"]
    capsys.readouterr()
    files[0] = write(tmp_path / "more.csv", more)
    main(["split", *files, *COLUMNS, "--output", str(tmp_path / "second"), "--extend", str(tmp_path / "first")])
    assert "4 users and 3 items are new" in capsys.readouterr().out
    for kind in ("item", "user"):
        before, after = (list(read_map(tmp_path / one / f"{kind}_map.csv").items()) for one in ("first", "second"))
        assert after[: len(before)] == before
    items, users = (read_map(tmp_path / f"second/{kind}_map.csv") for kind in ("item", "user"))
    found = read_sequences([str(tmp_path / "second/train/interactions.csv")], len(items) + 1)
    for row, user in enumerate(found.users.tolist()):
        theirs = [items[item] for item in found.items.take([row]).values]
        assert sorted(theirs) == sorted(one[1] for one in more if one[0] == users[user])
    told = refused(main, capsys, ["table", files[0], *COLUMNS, "--output", "x", "--extend", str(tmp_path / "second")])
    assert "its split is ready-made; use tools.preprocess split" in told


def test_a_frame_goes_on_too(prepare, tmp_path, capsys):
    first = prepare(log(8), "first")
    frame = polars.DataFrame(log(8), schema=["user", "item", "time", "shop"], orient="row")
    found = prepare_frame(
        frame, user="user", item="item", time="time", category="shop", output=tmp_path / "second", extend=first
    )
    assert found["identity"]["item_map"] == meta(first)["identity"]["item_map"]
    assert found["extends"]["folder"] == str(first)


def test_what_cannot_be_gone_on_from_is_refused(prepare, tmp_path, capsys):
    first = prepare(log(9), "first")

    def told(rows, *options):
        return refused(prepare, capsys, rows, "second", "--extend", *map(str, options))

    assert "prepared with --protocol comirec, and this is mind; give the same" in told(
        log(9), first, "--protocol", "mind"
    )
    assert "no data set of tools.preprocess; give the folder that has its meta.yaml" in told(log(9), tmp_path)
    others = [(f"x{user}", *rest) for user, *rest in log(9)]
    assert "none of its 40 users is in second.csv; the log must have the same ids" in told(others, first)
    assert "--extend: movielens-100k is one log" in refused(main, capsys, ["movielens-100k", "--extend", str(first)])
    file = write(tmp_path / "log.csv", log(9))
    spark_log = ["table", file, *COLUMNS, "--extend", str(first), "--output", str(tmp_path / "spark")]
    assert "--extend: not for Spark" in refused(spark.main, capsys, spark_log)
    split = ["split", file, file, *COLUMNS, "--extend", str(first), "--output", str(tmp_path / "ready")]
    assert "its split is by a protocol, and these are split already" in refused(main, capsys, split)
    text = (first / "item_map.csv").read_text()
    (first / "item_map.csv").write_text(text.replace("1,i", "1,j", 1))
    assert "item_map.csv: changed since the data set was prepared" in told(log(9), first)
    assert not (tmp_path / "second").exists()


def test_the_data_set_may_take_its_own_place(prepare):
    folder = prepare(log(10), "data")
    before = read_map(folder / "item_map.csv")
    prepare([*log(10), *log(11, items=40)], "data", "--extend", str(folder))
    after = read_map(folder / "item_map.csv")
    assert len(after) > len(before)
    assert before.items() <= after.items()
