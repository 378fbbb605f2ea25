"""Protocols in which all users train: their splits word by word, and that nothing of a target reaches training."""

import random
from types import SimpleNamespace

import numpy as np
import paddle
import polars
import pytest
import yaml
from registry import create

from tools.common.errors import UserError
from tools.data.dataset import data_files, read_evaluation, read_map, read_sequences
from tools.logs import protocol
from tools.logs.frame import prepare_frame
from tools.logs.protocol import open_protocol
from tools.preprocess import main

START = 1_600_000_000
COLUMNS = ("--user", "user", "--item", "item", "--time", "time", "--min-count", "1")


def log(seed=0, users=30, items=25, count=500):
    """Events of different times, some items met again; a few users have one or two events."""
    rng = random.Random(seed)
    rows = [[f"u{int(users * rng.random() ** 2)}", f"i{int(items * rng.random() ** 2)}"] for _ in range(count)]
    rows += [["short1", "i1"], ["short2", "i1"], ["short2", "i2"], ["late", "i3"], ["late", "new"], ["late", "i2"]]
    return [(*row, START + 7 * n) for n, row in enumerate(rows)]


def prepared(folder, rows, *options):
    """The splits, by the users' and items' own names: the training items of each user; histories and targets."""
    path = folder / "log.csv"
    shuffled = random.Random(1).sample(rows, len(rows))
    path.write_text("user,item,time\n" + "".join(f"{user},{item},{time}\n" for user, item, time in shuffled))
    main(["table", str(path), *COLUMNS, "--output", str(folder / "data"), "--overwrite", *options])
    return splits_of(folder / "data")


def splits_of(folder):
    items, users = (read_map(folder / f"{name}_map.csv") for name in ("item", "user"))
    found = {}
    for split in sorted(path.name for path in folder.iterdir() if path.is_dir()):
        if split == "train":
            who, rows = read_sequences(data_files(folder / split), len(items) + 1)
            parts = [rows]
        else:
            (who, *parts), short = read_evaluation(data_files(folder / split), len(items) + 1)
            assert not short
        named = [[[items[item] for item in part.take([n]).values.tolist()] for n in range(len(who))] for part in parts]
        found[split] = {
            users[user]: each if len(each) > 1 else each[0] for user, *each in zip(who, *named, strict=True)
        }
    return found


def by_user(rows):
    found = {}
    for user, item, _ in sorted(rows, key=lambda row: row[2]):
        found.setdefault(user, []).append(item)
    return found


@pytest.mark.parametrize("full", [False, True])
def test_leave_one_out_word_by_word(full, tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "STRETCH", 61)
    rows = log()
    found = prepared(tmp_path, rows, "--protocol", "leave_one_out", *["--full"] * full)
    every = by_user(rows)
    asked = {user: items for user, items in every.items() if len(items) >= 3}
    hidden = 1 if full else 2
    assert found["train"] == {user: items[:-hidden] if user in asked else items for user, items in every.items()}
    assert found["test"] == {user: [items[:-1], items[-1:]] for user, items in asked.items()}
    if full:
        assert "valid" not in found
    else:
        assert found["valid"] == {user: [items[:-2], items[-2:-1]] for user, items in asked.items()}
    meta = yaml.safe_load((tmp_path / "data/meta.yaml").read_text())
    assert (meta["protocol"], meta["protocol_options"]) == ("leave_one_out", {"full": full})
    assert meta["interactions"] == len(rows)


def reference_of_time(rows, valid_from, test_from, cold):
    every = sorted(rows, key=lambda row: row[2])
    found = {"train": by_user([row for row in every if row[2] < valid_from])}
    for name, start, end in (("valid", valid_from, test_from), ("test", test_from, np.inf)):
        past = by_user([row for row in every if row[2] < start])
        known = {item for items in past.values() for item in items}
        found[name] = {}
        for user in dict.fromkeys(row[0] for row in every):
            later = dict.fromkeys(item for who, item, time in every if who == user and start <= time < end)
            target = [item for item in later if item not in past.get(user, ())]
            if cold == "drop":
                target = [item for item in target if item in known and user in past]
            if target:
                found[name][user] = [past.get(user, []), target]
    return found


@pytest.mark.parametrize("cold", ["drop", "keep"])
def test_time_word_by_word(cold, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(protocol, "STRETCH", 61)
    rows = log(1)
    moments = [rows[350][2], rows[400][2]]
    options = ["--protocol", "time", "--valid-from", moments[0], "--test-from", moments[1], "--cold", cold]
    found = prepared(tmp_path, rows, *map(str, options))
    assert found == reference_of_time(rows, *moments, cold)
    assert ("late" in found["test"]) == (cold == "keep")  # who has no past
    said = capsys.readouterr().out
    assert f"test: {len(found['test'])} users" in said
    late = {user for user, *_ in rows[400:]} - {user for user, *_ in rows[:400]}
    fresh = {item for _, item, _ in rows[400:]} - {item for _, item, _ in rows[:400]}
    assert f"{len(late)} users and {len(fresh)} items without a past" in said


def test_moments_as_dates_shares_and_without_valid(tmp_path):
    rows = log(2)
    day = 24 * 3600
    rows = [(user, item, START - START % day + day * n) for n, (user, item, _) in enumerate(rows)]
    moment = rows[400][2]
    date = str(np.datetime64(moment, "s"))
    by_date = prepared(tmp_path, rows, "--protocol", "time", "--test-from", date)
    assert by_date == prepared(tmp_path, rows, "--protocol", "time", "--test-from", str(moment))
    assert list(by_date) == ["test", "train"]
    assert by_date["train"] == by_user([row for row in rows if row[2] < moment])
    shares = prepared(tmp_path, rows, "--protocol", "time", "--test-share", "0.2", "--valid-share", "0.1")
    begins = [rows[int(share * len(rows))][2] for share in (0.7, 0.8)]
    assert shares == reference_of_time(rows, *begins, "drop")


def test_random_holds_out_a_share_of_each_users_items(tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "STRETCH", 61)
    rows = log(3)
    options = ("--protocol", "random", "--test-share", "0.3", "--valid-share", "0.2")
    found, every = prepared(tmp_path, rows, *options), by_user(rows)
    for user, items in every.items():
        number = len(set(items))
        if number < 3:
            assert found["train"][user] == items
            assert user not in found["test"]
            continue
        (kept, test), (history, valid) = found["test"][user], found["valid"][user]
        assert history == found["train"][user]
        assert len(set(test)) == max(1, int(0.3 * number))
        assert len(set(valid)) == max(1, int(0.2 * number))
        assert not set(test) & set(kept)
        assert not set(valid) & set(history)
        assert [item for item in items if item in set(kept)] == kept
        assert sorted(kept + test) == sorted(items)
    assert prepared(tmp_path, rows[::-1], *options) == found  # it depends on the ids alone
    assert len({user: tuple(one[1]) for user, one in found["test"].items()}.values()) > 10


def test_a_changed_file_is_no_longer_cut(tmp_path):
    prepared(tmp_path, log(), "--protocol", "random")
    path = tmp_path / "data/test/interactions.csv"
    path.write_text(path.read_text().replace("\n", "\n\n", 1))
    with pytest.raises(UserError, match="changed since the data set was prepared"):
        read_evaluation(data_files(path.parent), 100)
    (path.parent / "history.npy").unlink()
    with pytest.raises(UserError, match="changed since the data set was prepared"):
        read_evaluation(data_files(path.parent), 100)


def planted(**shifts):
    """Pairs of users with a common past and common ends, `valid` and `test`, which nothing before tells.

    Args:
        shifts: kind of end -> by how many pairs the ends are moved on.
    """
    rng, rows = random.Random(5), []
    for pair in range(12):
        for user in (f"a{pair}", f"b{pair}"):
            past = [f"pair{pair}", *rng.sample([f"i{n}" for n in range(20)], 5)]
            ends = [f"{kind}{(pair + shifts.get(kind, 0)) % 12}" for kind in ("valid", "test")]
            times = [*range(6), VALID_FROM, TEST_FROM]
            rows += [(user, item, START + time) for item, time in zip(past + ends, times, strict=True)]
    return rows


VALID_FROM, TEST_FROM = 10**6, 2 * 10**6
TIME = ("time", "--valid-from", str(START + VALID_FROM), "--test-from", str(START + TEST_FROM), "--cold", "keep")
PLANTED = pytest.mark.parametrize(
    "options, hidden",
    [(("leave_one_out",), ("valid", "test")), (("leave_one_out", "--full"), ("test",)), (TIME, ("valid", "test"))],
    ids=lambda one: " ".join(one),
)


@PLANTED
def test_training_is_the_same_whatever_the_targets_are(options, hidden, tmp_path):
    """All that models learn from is the training split, its counts and its ids."""
    seen = []
    for shift in (0, 5):
        folder = tmp_path / str(shift)
        folder.mkdir()
        prepared(folder, planted(**dict.fromkeys(hidden, shift)), "--protocol", *options)
        train, names = folder / "data/train", read_map(folder / "data/item_map.csv")
        trained = sorted(set(np.load(train / "items.npy").tolist()))
        assert trained == list(range(1, len(trained) + 1))  # what is not trained has the last ids
        files = {path.name: path.read_bytes() for path in train.iterdir()}
        seen.append((files, [names[item] for item in trained]))
    assert seen[0] == seen[1]


@pytest.mark.extras
@PLANTED
def test_models_that_peek_would_find_all_and_ours_find_nothing(options, hidden, tmp_path):
    """The other of a pair has the same target: whoever saw the test split knows it, nobody else can."""
    prepared(tmp_path, planted(), "--protocol", *options)
    folder = tmp_path / "data"
    count = len(read_map(folder / "item_map.csv")) + 1
    (_, history, target), _ = read_evaluation(data_files(folder / "test"), count)
    for name in ("most_pop", "item_knn", "rp3beta", "ease", "spectral"):
        found = {}
        for split in ("train", "test"):
            paddle.seed(1)
            model = create(name, item_count=count, maxlen=8, embedding_dim=16, interest_num=1, ease_lambda=1.0)
            items = read_sequences(data_files(folder / split), count).items
            model.fit(SimpleNamespace(values=items.values, offsets=items.offsets))
            found[split] = recall(model, history, target)
        assert found["train"] == 0, name
        assert name == "most_pop" or found["test"] > 0.9, name


def recall(model, history, target):
    """Share of the targets among the two items that score highest, the history left out."""
    hist_item = np.zeros((len(history.lengths), 8), np.int64)
    for row, length in enumerate(history.lengths):
        hist_item[row, :length] = history.take([row]).values
    model.eval()
    interests = model(paddle.to_tensor(hist_item), paddle.to_tensor(history.lengths))[:, 0]
    if model.gives_scores:
        scores = np.pad(interests.numpy(), ((0, 0), (1, 0)))
    else:
        scores = paddle.matmul(interests, model.item_vectors(), transpose_y=True).numpy()
    scores[:, 0] = -np.inf
    np.put_along_axis(scores, hist_item, -np.inf, axis=1)
    return target.contains(np.argsort(-scores, axis=1)[:, :2]).sum() / len(target.values)


@pytest.mark.parametrize(
    "options, message",
    [
        (("--full",), "--full goes with --protocol leave_one_out, not with comirec"),
        (("--protocol", "random", "--test-from", "5"), "--test-from goes with --protocol time, not with random"),
        (("--protocol", "random", "--test-share", "0.9"), "at least 0.1 must be left for training"),
        (("--protocol", "time", "--test-from", "soon"), "--test-from 'soon': not a number or an ISO date"),
        (("--protocol", "time", "--valid-from", "5"), "--valid-from goes with --test-from"),
        (("--protocol", "time", "--test-from", "5", "--test-share", "0.1"), "not both"),
        (("--protocol", "time", "--test-share", "1.5"), "they must leave events for training"),
        (("--protocol", "time", "--test-from", "2030-01-01"), "test from 1893456000, in a log from 1600000000"),
        (("--protocol", "time", "--test-from", "3", "--valid-from", "4"), "each must begin later than the one before"),
    ],
    ids=str,
)
def test_wrong_options_are_refused(options, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        prepared(tmp_path, log(), *options)
    assert end.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_without_times_there_is_no_split_by_time(write_dataset, capsys):
    with pytest.raises(SystemExit):
        write_dataset({"u": ["a", "b", "c"]}, "--protocol", "time")
    assert "the log has no times" in capsys.readouterr().err


def test_a_frame_and_a_ready_split_take_them(tmp_path, capsys):
    rows = log()
    frame = polars.DataFrame(rows, schema=["user", "item", "time"], orient="row")
    options = {"user": "user", "item": "item", "time": "time", "min_items": 1, "min_users": 1}
    prepare_frame(frame, **options, output=tmp_path / "frame", protocol="leave_one_out", full=True)
    assert splits_of(tmp_path / "frame") == prepared(tmp_path, rows, "--protocol", "leave_one_out", "--full")
    with pytest.raises(UserError, match="did you mean leave_one_out"):
        prepare_frame(frame, **options, output=tmp_path / "frame", protocol="leave_one_ou")
    path = str(tmp_path / "log.csv")
    main(["split", path, path, *COLUMNS[:6], "--output", str(tmp_path / "split"), "--protocol", "leave_one_out"])
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["split", path, path, *COLUMNS[:6], "--output", str(tmp_path / "no"), "--protocol", "time"])
    assert "the log is split already" in capsys.readouterr().err


def test_an_option_belongs_to_its_protocol():
    assert open_protocol("comirec", {"full": None}).name == "comirec"
    with pytest.raises(UserError, match="turn: no option of a protocol; remove it"):
        open_protocol("time", {"turn": 1})
