"""Any bytes as a file of a data set or as what `tools.predict` is asked: all is read, or one line says why not."""

import csv
import io
import json
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from messages import check_message
from properties import LINE_ENDS, any_bytes, lines_of, refused

from tools.common.errors import UserError
from tools.common.ragged import ragged
from tools.data.dataset import (
    data_files,
    read_categories,
    read_evaluation,
    read_map,
    read_meta,
    read_sequences,
    write_map,
    write_split,
)
from tools.data.features import item_features, query_words, user_features
from tools.serving.histories import Fault, History, read_input, read_json
from tools.serving.history_table import read_csv

BOM = b"\xef\xbb\xbf"
ROWS = b"".join(b"%d,%d,%d\n" % (n % 4 - 1, 1 + n * 7 % 9, n * n % 13) for n in range(20))
FLOATS = b" 7 , 2 ,1e3\r\n-7,3,-0.5\r\n\r\n7,9,.25\r\n"
EVALUATION = b"".join(
    b"user_id:%d target_item:0 hist_item:%d hist_item:3 eval_item:%d\n" % (n, 1 + n, 9 - n) for n in range(6)
)
ITEM_COUNT = 10


def lists(rows):
    return [rows.values[a:b].tolist() for a, b in pairwise(rows.offsets)]


def plain_rows(data):
    """The rows of a split by int and float; None where one is none."""
    found, whole = [], True
    for line in re.split("\r\n|\r|\n", data.removeprefix(BOM).decode("latin-1")):
        if line.encode("latin-1").strip():
            fields = [field.strip() for field in line.split(",")]
            if len(fields) != 3 or not re.fullmatch(r"[+-]?\d+,[+-]?\d+,[^_]+", ",".join(fields), re.ASCII):
                return None
            try:
                user, item, time = int(fields[0]), int(fields[1]), float(fields[2])
            except ValueError:
                return None
            if not (0 < item < ITEM_COUNT and -(2**63) <= user < 2**63 and np.isfinite(time)):
                return None
            whole &= bool(re.fullmatch(r"[+-]?\d+", fields[2])) and -(2**63) <= int(fields[2]) < 2**63
            found.append((user, item, fields[2]))
    rows = {}
    for user, item, _ in sorted(found, key=lambda row: (int if whole else float)(row[2])):
        rows.setdefault(user, []).append(item)
    return {user: rows[user] for user, *_ in found} or None


@given(any_bytes(ROWS, FLOATS, BOM + ROWS))
def test_any_bytes_as_rows_of_a_split(tmp_path, data):
    path = tmp_path / "rows.txt"
    path.write_bytes(data)
    found, expected = refused(lambda: read_sequences([str(path)], ITEM_COUNT), "rows.txt"), plain_rows(data)
    assert (found is None) == (expected is None)
    if found:
        assert dict(zip(found.users.tolist(), lists(found.items), strict=True)) == expected
        assert list(expected) == found.users.tolist()


def plain_evaluation(data):
    """The users of an evaluation file, one after another; None where a line is none."""
    found, kinds = [], (b"user_id", b"target_item", b"hist_item", b"eval_item")
    for line in re.split(b"\r\n|\r|\n", data.removeprefix(BOM)):
        words = [word.partition(b":")[::2] for word in line.split()]
        if not words:
            continue
        if [name == kinds[0] for name, _ in words] != [True] + [False] * (len(words) - 1):
            return None
        if not all(name in kinds and re.fullmatch(rb"\d{1,18}", value) for name, value in words):
            return None
        history, target = ([int(value) for name, value in words if name == kind] for kind in kinds[2:])
        if not all(0 < item < ITEM_COUNT for item in history + target):
            return None
        found.append((int(words[0][1]), history, target))
    return found


@given(any_bytes(EVALUATION, EVALUATION.replace(b"\n", b"\r\n")))
def test_any_bytes_as_an_evaluation_file(tmp_path, data):
    path = tmp_path / "rows.txt"
    path.write_bytes(data)
    found = refused(lambda: read_evaluation([str(path)], ITEM_COUNT), "rows.txt")
    if data.removeprefix(BOM).startswith(b"user_id:"):
        expected = plain_evaluation(data)
        assert (found is None) == (expected is None)
        if found:
            evaluation, short = found
            usable = [row for row in expected if row[1] and row[2]]
            columns = (evaluation.users.tolist(), lists(evaluation.history), lists(evaluation.target))
            assert list(zip(*columns, strict=True)) == usable
            assert short == len(expected) - len(usable)


@pytest.mark.parametrize("end", LINE_ENDS, ids=repr)
@pytest.mark.parametrize("bad", [
    b"1,2", b"1,2,3,4", b"1,2,", b",2,3", b"1,2,x", b"1,2,nan", b"1,0,3", b"1,10,3", b"1,2,3\0", b"1\xe9,2,3",
    b"1,-1,3", b"1,4294967297,3", b"9223372036854775808,1,1", b"uid,item,time", b"hist_item:1",
    b"user_id:-1 hist_item:1", b"user_id:1 hist_item:3\0", b"user_id:\xe9", b"user_id:1 eval_item:10",
    b"user_id:1 hist_item:0", b"user_id:1 user_id:2",
])  # fmt: skip
def test_a_bad_line_of_a_split_is_named(tmp_path, bad, end):
    lines = (EVALUATION if b":" in bad else ROWS).splitlines()
    lines.insert(1, b"" if b":" in bad else b"9223372036854775807,1,1")
    for place in (1, 4, len(lines)):
        (tmp_path / "rows.txt").write_bytes(end.encode().join([*lines[:place], bad, *lines[place:]]))
        with pytest.raises(UserError) as raised:
            read_evaluation([str(tmp_path / "rows.txt")], ITEM_COUNT)
        check_message(str(raised.value), "rows.txt", line=place + 1)


@pytest.fixture
def made(tmp_path):
    """A data set of three splits, one of them without users, with maps, categories, attributes and queries."""
    splits = {}
    for name, lengths in (("train", [5, 3]), ("valid", [6]), ("test", [])):
        items = ragged(lengths, np.arange(sum(lengths)) % 9 + 1)
        splits[name] = write_split(tmp_path / name, np.arange(len(lengths)), items, np.arange(sum(lengths)) / 4)
        words = {"query.names": np.array(["a", "b"]), "query.values": items.values.astype(np.int32) % 2}
        np.savez(tmp_path / name / "query.npz", **words, **{"query.offsets": np.arange(sum(lengths) + 1)})
    for kind, count in (("item", 9), ("user", 3)):
        write_map(
            tmp_path / f"{kind}_map.csv", (kind, "original"), ((n, f"{kind} {n},\u732b") for n in range(1, count))
        )
        brand = {"brand.names": np.array(["x", "y"]), "brand.values": np.arange(count) % 2}
        np.savez(tmp_path / f"{kind}_attributes.npz", **brand, **{"brand.offsets": np.arange(count + 1)})
    np.save(tmp_path / "item_category.npy", np.arange(-1, 9))
    (tmp_path / "meta.yaml").write_text(yaml.safe_dump({"protocol": "mind", "item_count": 10, "splits": splits}))
    return tmp_path


HARMED = st.sampled_from(
    ["meta.yaml", "item_map.csv", "item_category.npy", "item_attributes.npz", "user_attributes.npz", "train/query.npz"]
)


@given(st.data())
def test_any_bytes_as_a_file_of_a_data_set(made, settings, data):
    name = data.draw(HARMED)
    whole = (made / name).read_bytes()
    config = settings(made, item_count=10, item_features=["brand"], user_features=["brand"], query=True)
    kept = read_evaluation(data_files(made / "valid"), 10)[0]
    (made / name).write_bytes(data.draw(any_bytes(whole)))
    try:
        base = name.rpartition("/")[2]
        refused(lambda: read_meta(made / "valid"), base)
        found = refused(lambda: read_evaluation(data_files(made / "valid"), 10), base)
        assert found is None or name == "meta.yaml" or lists(found[0].target) == lists(kept.target)
        names = refused(lambda: read_map(made / "item_map.csv"), base)
        if names is not None:
            text = (made / "item_map.csv").read_text("utf-8")
            assert len(names) == len(list(csv.reader(io.StringIO(text, newline="")))) - 1
        refused(lambda: read_categories(made, 10), base)
        for read in (item_features, user_features):
            features = refused(lambda read=read: read(config.features), base)
            assert features is None or features.tokens.values.max(initial=-1) < features.token_num
        refused(lambda: query_words(config.features), base)
    finally:
        (made / name).write_bytes(whole)


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was opened')",)


@pytest.mark.parametrize("name, read", [
    ("item_category.npy", lambda made, _: read_categories(made, 10)),
    ("item_attributes.npz", lambda _, config: item_features(config.features)),
    ("user_attributes.npz", lambda _, config: user_features(config.features)),
    ("train/query.npz", lambda _, config: query_words(config.features)),
])  # fmt: skip
def test_a_pickle_is_never_opened(made, settings, name, read):
    config = settings(made, item_count=10, item_features=["brand"], user_features=["brand"], query=True)
    trap, key = np.array([Trap()], object), "query" if "query" in name else "brand"
    arrays = {f"{key}.{part}": trap for part in ("names", "values", "offsets")}
    with open(made / name, "wb") as file:
        np.save(file, trap) if name.endswith(".npy") else np.savez(file, **arrays)
    with pytest.raises(UserError) as raised:
        read(made, config)
    check_message(str(raised.value), name)


@pytest.mark.parametrize("change", [
    {"brand.values": np.array([0, 2])}, {"brand.values": np.array([0, -1])}, {"brand.values": np.array([0.0, 1.0])},
    {"brand.offsets": np.array([0, 1])}, {"brand.offsets": np.array([0, 3, 2])},
    {"brand.offsets": np.array([], np.int64)}, {"brand.offsets": np.array([1, 2])},
    {"brand.offsets": np.array([[0, 2]])}, {"brand.names": np.array([1, 2])},
])  # fmt: skip
def test_attributes_that_do_not_fit_together_are_refused(made, settings, change):
    whole = {
        "brand.names": np.array(["x", "y"]),
        "brand.values": np.array([0, 1]),
        "brand.offsets": np.array([0, 1, 2]),
    }
    np.savez(made / "item_attributes.npz", **{**whole, **change})
    with pytest.raises(UserError) as raised:
        item_features(settings(made, item_count=10, item_features=["brand"]).features)
    check_message(str(raised.value), "item_attributes.npz")


@pytest.mark.parametrize("meta", [
    b"a: &a [*a]", b"a: &a {b: *a}", b"[" * 5000, b"a: 2020-13-45", b"protocol: [mind]", b"protocol: {a: b}", b"\xff",
    b"a: \0", b"a: !!int ''", b"a: !!bool x", b"a: " + b"9" * 5000, b"&a a: *a", b"? [1]\n: 2",
    b"!!python/object:os.x {}", b"{{}: 1}",
])  # fmt: skip
def test_a_meta_that_is_none_is_named(made, meta):
    (made / "meta.yaml").write_bytes(meta)
    with pytest.raises(UserError) as raised:
        read_meta(made / "train")
    check_message(str(raised.value), "meta.yaml")


@pytest.mark.parametrize("content, line", [
    (b"item,original\n1,a\n1,b\n", None), (b"item,original\n1,a\n2,a\n", None), (b"1,a\n2,b\n", 1), (b"", None),
    (b"item,original\n1,a\n2\n", 3), (b"item,original\n1,a\nx,b\n", 3), (b'item,original\n1,a\n2,"b\n', 3),
    (b"item,original\n1,a\n2,\xe9\n", 3), (b"item,original\n\n1,a\n", 2),
])  # fmt: skip
def test_a_map_that_is_none_is_named(made, content, line):
    (made / "item_map.csv").write_bytes(content)
    with pytest.raises(UserError) as raised:
        read_map(made / "item_map.csv")
    check_message(str(raised.value), "item_map.csv", line=line)


JSON_LINES = "".join(
    json.dumps({"user": f"u{n}", "history": ["50", n], "profile": {"age": "24"}, "query": "red shoes"}) + "\n"
    for n in range(5)
).encode()
CSV_LINES = 'user,item\nu1,50\nu1,"a, ""b"""\r\nu2,\u732b\n'.encode()


def json_histories(text, name):
    return read_json(text, name, ["age", "query"])


@given(any_bytes(JSON_LINES, CSV_LINES), st.sampled_from([json_histories, read_csv]))
def test_any_bytes_as_histories(tmp_path, data, read):
    path = tmp_path / "asked"
    path.write_bytes(data)
    found = refused(lambda: read(*read_input(path)), "asked")
    if found is None:
        return
    faults = [one for one in found if isinstance(one, Fault)]
    for one in faults:
        check_message(one.error, "asked", line=one.line)
    histories = [one for one in found if isinstance(one, History)]
    text = data.decode("utf-8-sig")
    if read is json_histories:
        bad = {one.line for one in faults}
        filled = [line for n, line in enumerate(text.split("\n"), 1) if line.strip() and n not in bad]
        assert [one.user for one in histories] == [json.loads(line)["user"] for line in filled]
        assert sum(len(one.items) for one in histories) == sum(len(json.loads(line)["history"]) for line in filled)
    elif not faults:
        rows = list(csv.reader([line for _, line in lines_of(text)], strict=True))
        rows = rows[rows[:1] == [["user", "item"]] :]
        assert Counter((one.user, item) for one in found for item in one.items) == Counter(map(tuple, rows))


@pytest.mark.parametrize("read, bad", [
    (json_histories, "["), (json_histories, '{"user": 1}'), (json_histories, '{"user": 1, "user": 2, "history": [1]}'),
    (json_histories, '{"user": 1, "history": [1], "history": [2]}'), (json_histories, "[" * 100_000),
    (json_histories, '{"user": 1e5, "history": [1]}'), (json_histories, '{"user": "\\ud800", "history": [1]}'),
    (json_histories, '{"user": "a\\rb", "history": [1]}'),
    (json_histories, '{"user": 1, "history": [1], "profile": {"' + "a" * 5000 + '": 1}}'),
    (json_histories, '{"user": 1, "history": [' + "9" * 5000 + "]}"), (read_csv, 'u1,"a'), (read_csv, 'u1,"a"b'),
    (read_csv, "u1"), (read_csv, "u1,a,b"), (read_csv, "u1," + "x" * 140_000),
])  # fmt: skip
def test_a_bad_line_of_histories_is_named_and_the_others_are_read(tmp_path, read, bad):
    good = JSON_LINES.decode() if read is json_histories else CSV_LINES.decode().replace("\r", "")
    rest = re.sub(r"\bu(\d)", r"v\1", good).replace("user,item\n", "")
    (tmp_path / "asked").write_text(good + bad + "\n" + rest, encoding="utf-8", newline="")
    found = read(*read_input(tmp_path / "asked"))
    (fault,) = (one for one in found if isinstance(one, Fault))
    check_message(fault.error, "asked", line=good.count("\n") + 1)
    assert fault.line == good.count("\n") + 1
    users = [one.user for one in found if isinstance(one, History)]
    assert users == ([f"{u}{n}" for u in "uv" for n in range(5)] if read is json_histories else USERS_OF[fault.user])


USERS_OF = {None: ["u1", "u2", "v1", "v2"], "u1": ["u2", "v1", "v2"]}  # a list of half a history would be another's
