import csv
import fnmatch
import json
import os
import random
import re
import signal
import zlib
from collections import Counter
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import yaml

from tools.config.load import Config
from tools.config.schema import HyperParameters, Runner
from tools.data.dataset import read_evaluation, read_map
from tools.preprocess import main

pytest.register_assert_rewrite("properties")
SKIPPED: list[str] = []  # names of skipped tests


def pytest_configure():
    """In the background of a shell we are deaf to Ctrl-C, and so were the commands that tests interrupt."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_logreport(report):
    if report.skipped:
        SKIPPED.append(report.nodeid)


def pytest_sessionfinish(session):
    """In CI a skip that `skips.txt` does not list is a failure."""
    lines = (Path(__file__).parent / "skips.txt").read_text(encoding="utf-8").splitlines()
    patterns = [line.split("\t")[0].replace("[", "[[]") for line in lines if line[:1] not in ("", "#")]
    unlisted = [name for name in SKIPPED if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    if unlisted and os.environ.get("CI"):
        print("\nskipped, and not listed in tests/skips.txt:", *unlisted, sep="\n  ")
        session.exitstatus = 1


CUTS = {"comirec": (0.8, 0.9), "mind": (0.9, 0.95)}


def reference(events, min_count=5, protocol="comirec", ties="draw"):
    """The protocol word by word: names of users and items, rows [(item id, time)] of each user, users of each split."""
    count = Counter(item for _, item, _ in events)
    common = [event for event in events if count[event[1]] >= min_count]
    left = Counter(user for user, _, _ in common)
    users = [user for user in dict.fromkeys(user for user, _, _ in events) if left[user] >= min_count]
    items = sorted((item for item in count if count[item] >= min_count), key=lambda item: -count[item])
    number = {item: n for n, item in enumerate(items, 1)}
    rows = {user: [] for user in users}
    for user, item, time in sorted(common, key=lambda event: (event[2], ties == "draw" and lot(*event[:2]))):
        if user in rows:
            rows[user].append((number[item], time))
    shuffled = users.copy()
    random.Random(1230).shuffle(shuffled)
    first, second = (int(share * len(users)) for share in CUTS[protocol])
    return users, items, rows, {"train": shuffled[:first], "valid": shuffled[first:second], "test": shuffled[second:]}


def lot(user, item):
    """What orders events of one time, by Python's whole numbers: splitmix64 of the ids' CRC-32s."""
    crc_user, crc_item = (zlib.crc32(str(name).encode()) for name in (user, item))
    lot = ((crc_user << 32 | crc_item) + 1230) % 2**64
    lot = (lot ^ lot >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    lot = (lot ^ lot >> 27) * 0x94D049BB133111EB % 2**64
    lot ^= lot >> 31
    return lot - 2**64 if lot >= 2**63 else lot


def table_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def number(text):
    """A time, exactly."""
    return int(text) if text.lstrip("-").isdigit() else float(text)


def rows_of(folder):
    """Rows of a split, the CSV's, after a look that the arrays beside it say the same."""
    rows = [(int(user), int(item), number(time)) for user, item, time in table_of(folder / "interactions.csv")]
    users, items, offsets = (np.load(folder / f"{name}.npy") for name in ("users", "items", "offsets"))
    assert [row[:2] for row in rows] == list(zip(np.repeat(users, np.diff(offsets)), items, strict=True))
    return rows


def check_dataset(folder, events, min_count=5, protocol="comirec", read=None, ties="draw"):
    """Hold a data set against the reference; `read`: rows of the log, where some of them are no events."""
    users, items, rows, splits = reference(events, min_count, protocol, ties)
    assert table_of(folder / "user_map.csv") == [["user", "original"], *([str(n), u] for n, u in enumerate(users))]
    assert table_of(folder / "item_map.csv") == [["item", "original"], *([str(n), i] for n, i in enumerate(items, 1))]
    kept = 0
    for name, members in splits.items():
        found = rows_of(folder / name)
        expected = [(users.index(user), item, time) for user in members for item, time in rows[user]]
        if protocol == "mind" and name != "train":  # each user up to the target, which is not the first
            length = Counter(user for user, *_ in found)
            assert all(length[users.index(user)] >= min(2, len(rows[user])) for user in members)
            expected = [row for row, place in zip(expected, places(expected), strict=True) if place < length[row[0]]]
        assert found == expected, name
        kept += len(found)
    meta = yaml.safe_load((folder / "meta.yaml").read_text(encoding="utf-8"))
    assert (meta["users"], meta["item_count"], meta["interactions"]) == (len(users), len(items) + 1, kept)
    assert kept + sum(meta["dropped"].values()) == (len(events) if read is None else read)
    return meta


def without_log(text):
    """What a command printed, its log lines left out."""
    return re.sub(r"^\d{4}-\d\d-\d\d [\d:,]+ - INFO - .*\n", "", text, flags=re.MULTILINE)


def prepare_users(folder):
    """A data set of 115 users with 20 of 60 items each, `folder/data`: 92 of them train, from 16 positions each."""
    rng = np.random.default_rng(0)
    lines = [" ".join([f"u{user}", *map(str, rng.permutation(60)[:20])]) for user in range(115)]
    (folder / "log.txt").write_text("\n".join(lines))
    main(["sequences", str(folder / "log.txt"), "--output", str(folder / "data")])


def places(rows):
    """Which of its user's rows each row is, from 0."""
    before = Counter()
    for user, *_ in rows:
        yield before[user]
        before[user] += 1


def histories_of_test(folder, item_count) -> tuple[list[str], str]:
    """The test users of a data set, and their histories as `tools.predict` takes them, all in the user's own ids."""
    data, _ = read_evaluation([str(folder / "test/interactions.csv")], item_count)
    items, users = (read_map(folder / f"{name}_map.csv") for name in ("item", "user"))
    names = [users[user] for user in data.users.tolist()]
    lines = [
        json.dumps({"user": name, "history": [items[item] for item in data.history.take([row]).values]})
        for row, name in enumerate(names)
    ]
    return names, "\n".join(lines)


@pytest.fixture
def write_dataset(tmp_path, capsys):
    """`write_dataset({"user": ["item", …]}, "--protocol", "mind")`: a prepared folder; nothing is filtered out."""

    def write(sequences, *options):
        source = tmp_path / "log.txt"
        source.write_text("".join(f"{user} {' '.join(items)}\n" for user, items in sequences.items()), encoding="utf-8")
        main(["sequences", str(source), "--output", str(tmp_path / "data"), "--min-count", "1", *options])
        capsys.readouterr()
        return tmp_path / "data"

    return write


@pytest.fixture
def settings():
    """`settings(folder, maxlen=5, seed=1)`: a configuration, its splits in the folder where one is given."""

    def build(folder=None, **values):
        if folder is not None:
            values |= {f"{split}_data_dir": str(folder / split) for split in ("train", "valid", "test")}
        names = {entry.name for entry in fields(Runner)}
        runner = {key: values.pop(key) for key in list(values) if key in names}
        return Config(Runner(**runner), HyperParameters(**values))

    return build


@pytest.fixture
def tiny_config(write_dataset, tmp_path):
    """A yaml file for 20 users with 20 items each: 8 batches of 32 an epoch."""
    folder = write_dataset({f"u{user}": [str(item) for item in range(20)] for user in range(20)})
    path = tmp_path / "config.yaml"
    path.write_text(
        f"""
runner:
  train_data_dir: {folder}/train
  valid_data_dir: {folder}/valid
  test_data_dir: {folder}/test
  train_batch_size: 32
  epochs: 2
hyper_parameters: {{item_count: 21, embedding_dim: 4, maxlen: 5, neg_samples: 10}}
"""
    )
    return path
