"""A data set that goes on from another where all users train and are asked: nothing trained on becomes a target."""

import random
from itertools import pairwise

import numpy as np
import pytest
import yaml
from messages import refused

from tools.data.dataset import read_map
from tools.preprocess import main

PROTOCOLS = {
    "leave_one_out": (), "leave_one_out full": ("--full",), "time": (),
    "time moved": ("--test-share", "0.15", "--valid-share", "0.1"), "random": ("--test-share", "0.2"),
}  # fmt: skip
START = 1_600_000_000


def days(seed=0, users=40, count=400):
    """The log of each of three days, with all before: users come, items turn from rare to common, events come late."""
    rng, rows, logs = random.Random(seed), [], []
    for day in range(3):
        for n in range(count if day == 0 else count // 3):
            user = int((users + 5 * day) * rng.random() ** 2)
            rows.append((f"u{user}", f"i{int((20 + 10 * day) * rng.random() ** 1.5)}", START + 1000 * day + n))
            if n % 9 == 0:  # an event of the day before which nobody knew then
                rows.append((f"u{int(users * rng.random())}", f"late{day}-{n % 4}", START + 1000 * (day - 1) + n + 500))
        logs.append(list(rows))
    return logs


@pytest.fixture
def prepare(tmp_path):
    def call(rows, name, protocol, *options, least="4"):
        file, folder = tmp_path / f"{name}.csv", tmp_path / name
        file.write_text("user,item,time\n" + "".join(f"{','.join(map(str, row))}\n" for row in rows))
        columns = ("--user", "user", "--item", "item", "--time", "time", "--min-items", least, "--min-users", "1")
        protocol, *own = (protocol.split()[0], *PROTOCOLS.get(protocol, ()))
        main(["table", str(file), *columns, "--protocol", protocol, *own, *options, "--output", str(folder)])
        return folder

    return call


def meta(folder):
    return yaml.safe_load((folder / "meta.yaml").read_text())


def events(folder, name):
    """The events of train, or the targets of another split: own ids of user and item, and time."""
    items, users = (read_map(folder / f"{kind}_map.csv") for kind in ("item", "user"))
    rows = np.loadtxt(folder / name / "interactions.csv", np.int64, delimiter=",", ndmin=2)
    target = np.ones(len(rows), bool)
    if name != "train":
        kept, offsets = (np.load(folder / name / f"{file}.npy") for file in ("history", "offsets"))
        target = np.arange(len(rows)) - np.repeat(offsets[:-1], np.diff(offsets)) >= np.repeat(kept, np.diff(offsets))
    return {(users[user], items[item], time) for user, item, time in rows[target].tolist()}


def targets(folder, name="test"):
    found = {}
    for user, item, _ in sorted(events(folder, name), key=lambda row: row[2]):
        found.setdefault(user, []).append(item)
    return found


def evaluated(folder):
    return [name for name in ("valid", "test") if (folder / name).is_dir()]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_target_was_trained_on_on_any_day_before(protocol, prepare):
    trained, known, last = set(), {}, None
    for day, rows in enumerate(days()):
        extend = () if last is None else ("--extend", str(last))
        folder = prepare(rows, f"day{day}", protocol, *extend)
        for name in evaluated(folder):
            assert not events(folder, name) & trained, (name, day)
            assert len(events(folder, name)) > 8, (name, day)
        assert not events(folder, "train") & set().union(*(events(folder, name) for name in evaluated(folder)))
        trained |= events(folder, "train")
        for kind in ("item", "user"):
            now = list(read_map(folder / f"{kind}_map.csv").items())
            assert now[: len(known.get(kind, ()))] == known.get(kind, [])
            known[kind] = now
        last = folder
    new = sum(len(events(folder, name)) for name in evaluated(folder))
    assert meta(folder)["extends"]["absent_trained"] == 0
    assert new > 15


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_same_log_gives_the_same(protocol, prepare):
    rows = days(1)[1]
    first = prepare(rows, "first", protocol)
    again = prepare(rows, "again", protocol, "--extend", str(first))
    files = [path.relative_to(first) for path in first.rglob("*.*") if path.is_file() and path.name != "meta.yaml"]
    assert len(files) > 9
    assert all((first / one).read_bytes() == (again / one).read_bytes() for one in files)


def story(**users):
    return [(user, item, START + n) for user, items in users.items() for n, item in enumerate(items.split())]


def test_leave_one_out_moves_on_and_never_back(prepare, capsys):
    protocol = "leave_one_out"
    first = prepare(story(ann="a b c d", bob="a b", cid="b c d"), "first", protocol, least="1")
    assert targets(first) == {"ann": ["d"], "cid": ["d"]}
    capsys.readouterr()
    rows = story(ann="a b c d e", bob="x a b", cid="b c d")  # bob's x comes late: a and b were trained on
    second = prepare(rows, "second", protocol, "--extend", str(first), least="1")
    assert targets(second) == {"ann": ["e"], "cid": ["d"]}
    assert targets(second, "valid") == {"ann": ["d"], "cid": ["c"]}
    assert {item for user, item, _ in events(second, "train") if user == "bob"} == {"x", "a", "b"}
    said = capsys.readouterr().out
    for name in ("valid", "test"):
        assert f"\n{name}: 1 users are not asked for an event that {first} trained on; it trains on\n" in said
    rows = story(ann="a b c d e", bob="x a b c", cid="b c d b")
    third = prepare(rows, "third", protocol, "--extend", str(second), least="1")
    assert targets(third) == {"ann": ["e"], "bob": ["c"], "cid": ["b"]}  # cid's second b is another event
    assert targets(third, "valid") == {"ann": ["d"], "cid": ["d"]}
    capsys.readouterr()
    prepare(story(ann="c d e f", bob="c e", cid="b c d b"), "fourth", protocol, "--extend", str(third), least="1")
    assert "warning: 5 events that " in capsys.readouterr().out  # a, b of ann; x, a, b of bob
    told = refused(prepare, capsys, rows, "other", "leave_one_out full", "--extend", str(first))
    assert "{'full': True} here, {'full': False} in the data set to extend; give the same" in told


def test_moments_are_kept_or_moved_on_but_never_back(prepare, capsys):
    logs = days(2)
    first = prepare(logs[0], "first", "time", "--valid-from", str(START + 250), "--test-from", str(START + 300))
    capsys.readouterr()
    second = prepare(logs[2], "second", "time", "--extend", str(first))
    assert "its moments are kept: training ends where it did; --test-from or --test-share moves them on" in (
        capsys.readouterr().out
    )
    assert [meta(second)["splits"][name]["from"] for name in evaluated(second)] == [START + 250, START + 300]
    assert max(time for _, _, time in events(second, "train")) < START + 250
    assert max(time for _, _, time in events(second, "test")) > START + 1000
    third = prepare(logs[2], "third", "time", "--test-from", str(START + 2000), "--extend", str(second))
    assert evaluated(third) == ["test"]
    assert "moments are kept" not in capsys.readouterr().out

    def told(rows, *options):
        return refused(prepare, capsys, rows, "no", "time", *map(str, options))

    back = told(logs[2], "--test-from", START + 1900, "--extend", third)
    assert f"its test begins at {START + 2000}, and this at {START + 1900}" in back
    back = told(logs[2], "--test-from", START + 2000, "--valid-from", START + 1000, "--extend", third)
    assert f"its training ends at {START + 2000}, and this at {START + 1000}" in back
    later = [(user, item, 1000 * time) for user, item, time in logs[2]]
    assert "times of another unit" in told(later, "--test-share", 0.1, "--extend", third)


def test_an_item_that_left_the_log_is_not_new_to_its_user(prepare):
    rows = story(ann="a b c d", bob="a b c e", cid="a b c d")
    first = prepare(rows, "first", "time", "--test-from", str(START + 3), "--cold", "keep", least="1")
    assert targets(first) == {"ann": ["d"], "bob": ["e"], "cid": ["d"]}
    window = [row for row in rows if row[:2] != ("ann", "b")] + [("ann", "b", START + 9), ("ann", "c", START + 10)]
    second = prepare(window, "second", "time", "--extend", str(first), "--cold", "keep", least="1")
    assert targets(second)["ann"] == ["d"]  # b was trained on


def test_what_was_drawn_stays_where_it_is(prepare, capsys):
    rng = random.Random(3)
    items = [f"i{n}" for n in range(60)]
    drawn = {f"u{n}": rng.sample(items, 60) for n in range(12)}
    rows = [[(user, item, START + n) for user, theirs in drawn.items() for n, item in enumerate(theirs[:size])]
            for size in (10, 12, 50)]  # fmt: skip
    folders = [prepare(rows[0], "day0", "random", least="1")]
    for day in (1, 2):
        folders.append(prepare(rows[day], f"day{day}", "random", "--extend", str(folders[-1]), least="1"))
    for before, after in pairwise(folders):
        for name in ("train", "valid", "test"):
            assert events(before, name) <= events(after, name)
    assert {len(some) for some in targets(folders[2]).values()} == {10}
    assert {len(some) for some in targets(folders[2], "valid").values()} == {5}
    anew = prepare(rows[2], "anew", "random", least="1")
    assert events(anew, "test") & events(folders[1], "train")  # without the base they would leak
    told = refused(prepare, capsys, rows[2], "other", "random", "--valid-share", "0.2", "--extend", str(folders[0]))
    assert "in the data set to extend; give the same" in told
