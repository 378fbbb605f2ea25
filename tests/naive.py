"""What a data set holds, by dictionaries and lists: the reference that the readers of logs are held against."""

import csv
import itertools
import random
import re
import zlib
from collections import Counter

import numpy as np
import yaml

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


def places(rows):
    """Which of its user's rows each row is, from 0."""
    before = Counter()
    for user, *_ in rows:
        yield before[user]
        before[user] += 1


EMPTY = {
    "", " ", "\\N", "NULL", "Null", "null", "(null)", "(NULL)", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "#NULL!",
    "<NA>", "NaN", "NAN", "nan", "-NaN", "-nan", "1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND", "NaT", "None", "none",
    "NONE",
}  # fmt: skip


def check(folder, rows, *, min_count=5, protocol="comirec", left_out=0, leaf=None, attributes=None):
    """Hold a whole folder against a log in memory.

    Args:
        folder: the data set.
        rows: `(user, item, time)` in source order, those without an id included.
        left_out: rows of the log that are not among them.
        leaf: item -> category, None where the data set has none.
        attributes: name -> {item: [text, …]}.
    """
    assert protocol in CUTS
    events = [row for row in rows if not {one.strip(" ") for one in row[:2]} & EMPTY and row[2] is not None]
    meta = check_dataset(folder, events, min_count, protocol, read=len(rows) + left_out)
    count = Counter(item for _, item, _ in events)
    assert meta["dropped"][f"items with fewer than {min_count} interactions"] == sum(
        number for number in count.values() if number < min_count
    )
    items = [name for _, name in table_of(folder / "item_map.csv")[1:]]
    if leaf is not None:
        names = {int(n): name for n, name in table_of(folder / "category_map.csv")[1:]} | {-1: ""}
        assert list(names.values())[:-1] == sorted({leaf[item] for item in items} - {""})
        assert [names[n] for n in np.load(folder / "item_category.npy")] == ["", *(leaf[item] for item in items)]
    for name, texts in (attributes or {}).items():
        with np.load(folder / "item_attributes.npz") as file:
            words, bounds = file[f"{name}.names"][file[f"{name}.values"]].tolist(), file[f"{name}.offsets"]
        assert [words[a:b] for a, b in itertools.pairwise(bounds)] == [texts.get(item, []) for item in items]
    return meta


def same_folder(one, other):
    """Every file of two data sets is the same, to the byte; `meta.yaml` but for the source."""
    names = sorted(path.relative_to(one) for path in one.rglob("*"))
    assert names == sorted(path.relative_to(other) for path in other.rglob("*"))
    for name in names:
        if (one / name).is_file() and name.suffix not in (".yaml", ".npz"):
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
        elif name.suffix == ".npz":
            with np.load(one / name) as a, np.load(other / name) as b:
                assert a.files == b.files
                assert all(a[key].dtype == b[key].dtype and np.array_equal(a[key], b[key]) for key in a.files), name
    metas = [yaml.safe_load((folder / "meta.yaml").read_text(encoding="utf-8")) for folder in (one, other)]
    assert metas[0].pop("source").keys() == metas[1].pop("source").keys()
    assert metas[0] == metas[1]


def filled(events):
    """The events that have a user, an item and a time; whole ids that were written as 1.0 are 1."""
    events = [event for event in events if not {one.strip(" ") for one in event[:2]} & EMPTY and event[2] is not None]
    columns = [list(column) for column in zip(*events, strict=True)] or [[], [], []]
    for ids in columns[:2]:
        if all(re.fullmatch(r"-?\d+(\.0+)?", one, re.ASCII) for one in ids):
            ids[:] = [re.sub(r"\.0+$", "", one) for one in ids]
    return list(zip(*columns, strict=True))
