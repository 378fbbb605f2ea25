"""Requests: what is none is said on its own line, and each of many threads gets its own user's list."""

import csv
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import exports
import numpy as np
import pytest

from tools import predict
from tools.common.errors import UserError
from tools.retrieval.selection import Filters
from tools.serving.histories import Fault, History
from tools.serving.history_table import read_csv
from tools.serving.predictor import Predictor, answers, eight_digits


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("requests")
    exports.make_two(folder)
    return folder


@pytest.fixture(scope="module")
def predictor(folder):
    """One that knows user features and queries, and leaves out what was seen."""
    return Predictor(folder=folder / "other/export")


@pytest.fixture
def impatient():
    """Threads change places after every step or two, so that what they share shows within few requests."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how often a thread was woken")
def test_a_run_of_the_tower_wakes_no_other_thread(predictor):
    def woken():
        tasks = [task for task in Path("/proc/self/task").iterdir() if task.name != str(threading.get_native_id())]
        told = [line for task in tasks for line in (task / "status").read_text().splitlines()]
        return sum(int(line.split()[1]) for line in told if line.startswith("voluntary_ctxt_switches"))

    maxlen = predictor.maxlen
    history, length = np.ones((8, maxlen), int), np.full(8, maxlen)
    predictor.embed(history, length)
    before = woken()
    for _ in range(50):
        predictor.embed(history, length)
    assert woken() - before < 50  # some 250 where Paddle frees arrays by a thread of its own


@pytest.mark.slow
def test_any_number_of_threads_get_their_own_answers(predictor, impatient):
    rng = np.random.default_rng(0)
    histories = [rng.permutation(predictor.item_num)[: rng.integers(1, 9)] + 1 for _ in range(60)]
    profiles = [{"age": [f"{n % 7}"], "query": [f"word{n % 5}"]} for n in range(len(histories))]

    def ask(n):
        lists = predictor.recommend([histories[n]], 5, [profiles[n]])
        return lists.items.tolist(), lists.scores.tolist()

    expected = [ask(n) for n in range(len(histories))]
    assert len({str(one) for one in expected}) == len(histories)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, list(range(len(histories))) * 40))
    assert sum(one != expected[n % len(histories)] for n, one in enumerate(found)) == 0
    assert len(found) == 2400
    assert len(predictor.tower.idle) <= 8  # a tower a thread, whatever number of requests


@pytest.mark.parametrize("histories, message", [
    ([[-1]], "histories[0]: -1 is no id; ids are whole numbers from 1 to 30"), ([[0]], "histories[0]: 0 is no id"),
    ([[1], []], "histories[1]: [] is not a list of one or more ids"), ([], "histories: none; give one or more"),
    ([[3], [1, 31]], "histories[1]: 31 is no id; ids are whole numbers from 1 to 30"),
    ([[1, True]], "histories[0]: True is no id"), ([[1.0]], "histories[0]: 1.0 is no id"), ([["i1"]], "'i1' is no id"),
    ([[2**70]], f"histories[0]: {2**70} is no id"), ([[None]], "None is no id"), ([1, 2], "1 is not a list"),
    ([[[1]]], "[[1]] is not a list"), (None, "histories: None is not a list of histories"),
    ("ab", "'a' is not a list"), ([np.array([1.5])], "is no id"),
    ([np.array([True])], "is no id"), (np.zeros((2, 0), np.int64), "is not a list of one or more"),
])  # fmt: skip
def test_histories_that_cannot_be(predictor, histories, message):
    for kind in (ValueError, UserError):
        with pytest.raises(kind) as raised:
            predictor.recommend(histories, 5)
        assert message in str(raised.value)
        assert len(str(raised.value)) < 300


def test_histories_of_any_whole_kind_are_one(predictor):
    expected = predictor.recommend([[1, 2, 3], [4]], 5).items.tolist()
    for kind in (np.int32, np.uint8, np.uint64, np.int64):
        assert predictor.recommend([np.array([1, 2, 3], kind), np.array([4], kind)], 5).items.tolist() == expected
        assert predictor.recommend([(kind(1), 2, np.int64(3)), [kind(4)]], np.int64(5)).items.tolist() == expected


@pytest.mark.parametrize("top_n", [0, -1, 1.5, True, None, "5"])
def test_lengths_of_lists_that_cannot_be(predictor, top_n):
    with pytest.raises(ValueError, match=r"top_n: .* is not a whole number of at least 1"):
        predictor.recommend([[1]], top_n)
    assert predictor.recommend([[1]], 10**9).items.shape == (1, 30)


@pytest.mark.parametrize("hist_item, seq_len, message", [
    (np.full((1, 6), 31), [1], "hist_item: 31 is not from 0 to 30"), (np.full((1, 6), -1), [1], "-1 is not from 0 to"),
    (np.ones((1, 5), int), [1], r"hist_item: \[1, 5\]; its shape is \[B, 6\]"),
    (np.ones(6, int), [1], r"hist_item: \[6\]; its shape"),
    (np.ones((0, 6), int), np.zeros(0, int), r"\[0, 6\]; its shape is \[B, 6\], B from 1"),
    (np.ones((1, 6)), [1], "hist_item: float64; ids and lengths are whole"),
    (np.ones((1, 6), bool), [1], "hist_item: bool; ids and"), ([[1], [1, 2]], [1], "pad the rows with 0"),
    (np.ones((1, 6), int), [0], "seq_len: 0 is not from 1 to 6"), (np.ones((1, 6), int), [7], "seq_len: 7 is not"),
    (np.ones((2, 6), int), [1], r"seq_len: \[1\]; its shape is \[2\]"),
    (np.ones((1, 6), int), [1.0], "seq_len: float64"),
])  # fmt: skip
def test_arrays_that_cannot_be(predictor, hist_item, seq_len, message):
    with pytest.raises(ValueError, match=message):
        predictor.embed(hist_item, seq_len)


def test_arrays_of_other_whole_kinds_are_taken_for_what_they_are(predictor):
    expected, _ = predictor.embed(np.full((2, 6), 3), np.array([6, 2]))
    found, _ = predictor.embed(np.full((2, 6), 3, np.int32)[:, ::-1], np.array([6, 2], np.uint8))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("profiles, message", [
    ([{}], "profiles: 1 for 2 histories"), ([{}, {"agee": ["1"]}], r"the model knows age, query, not 'agee'; did you"),
    ([{}, {"age": "24"}], r"profiles\[1\]: age: '24' is not a list of texts"),
    ([{}, {"age": [24]}], r"profiles\[1\]: age: \[24\] is not a list"),
    ([None, {}], r"profiles\[0\]: None is not a table"),
])  # fmt: skip
def test_profiles_that_cannot_be(predictor, profiles, message):
    with pytest.raises(ValueError, match=message):
        predictor.recommend([[1], [2]], 5, profiles)


GOOD = {"user": "a", "history": ["i1", "i2"]}


def ask(folder, capsys, *arguments):
    """Exit code, standard output, standard error."""
    capsys.readouterr()
    code = 0
    try:
        predict.main([str(folder / "out/export"), *map(str, arguments)])
    except SystemExit as end:
        code = end.code
    return code, *capsys.readouterr()


def test_a_bad_line_is_answered_in_its_place_and_the_others_as_always(folder, tmp_path, capsys):
    path = tmp_path / "h"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD | {"user": "z"}))
    code, alone, _ = ask(folder, capsys, path, "--top_n", "3")
    assert code == 0
    bad = [
        ({"user": "b", "profil": {}} | GOOD, "profil"), (GOOD | {"excluded": ["i1"]}, "excluded"),
        (GOOD | {"user": "c", "profile": {"agee": 3}}, "agee"), ("nonsense", "nonsense"), (GOOD | {"user": 1.5}, "1.5"),
        ({"user": "d", "hist": ["i1"]}, "hist"),
    ]  # fmt: skip
    lines = [one if isinstance(one, str) else json.dumps(one) for one, _ in bad]
    path.write_text("\n".join([json.dumps(GOOD), "", *lines, json.dumps(GOOD | {"user": "z"})]))
    code, out, err = ask(folder, capsys, path, "--top_n", "3")
    found = list(map(json.loads, out.splitlines()))
    assert [found[0], found[-1]] == list(map(json.loads, alone.splitlines()))
    assert [one["user"] for one in found[1:-1]] == ["a", "a", "c", None, None, "d"]
    for line, (one, (_, word)) in enumerate(zip(found[1:-1], bad, strict=True), 3):
        assert set(one) == {"user", "line", "error"}
        assert one["line"] == line
        assert one["error"].startswith(f"{path}:{line}: ")
        assert word in one["error"]
    assert "did you mean profile?" in found[1]["error"]
    assert "did you mean history?" in found[6]["error"]
    assert code == 2
    assert "2 users, 0 without recommendations; 0 unknown items skipped\n" in err
    assert f"error: 6 of 8 requests not answered; the first: {found[1]['error']}\n" in err
    assert "Traceback" not in err


def test_a_bad_row_is_answered_in_its_place(folder, tmp_path, capsys):
    path = tmp_path / "h.csv"
    path.write_text("user,item\na,i1\nb,i3\na,i2\nz,i4\n")
    _, alone, _ = ask(folder, capsys, path, "--top_n", "2")
    path.write_text("user,item\na,i1\nb,i3\nb,i4,17\na,i2\nz,i4\n")
    code, out, err = ask(folder, capsys, path, "--top_n", "2")
    rows, expected = (list(csv.reader(one.splitlines())) for one in (out, alone))
    for row, other in zip(*([one for one in given if one[0] != "b"] for given in (rows, expected)), strict=True):
        assert (row[:3], row[4]) == (other[:3], other[4])
        assert row[3] == other[3] or float(row[3]) == pytest.approx(float(other[3]), rel=1e-6)  # the header; batches
    (fault,) = (row for row in rows if row[0] == "b")
    assert [fault[1], *fault[3:]] == ["error", "", ""]
    assert fault[2].startswith(f"{path}:4: 3 fields; a row is user,item")
    assert code == 2
    assert "error: 1 of 3 requests not answered" in err


@pytest.mark.parametrize("arguments", [
    ["{file}", "--top_n", "3"], ["--top_n", "3", "{file}"], ["--format", "csv", "{file}", "--top_n", "3"],
])  # fmt: skip
def test_arguments_stand_in_any_order(folder, tmp_path, capsys, arguments):
    (tmp_path / "h.csv").write_text("a,i1\n")
    code, out, _ = ask(folder, capsys, *(one.format(file=tmp_path / "h.csv") for one in arguments))
    assert code == 0
    assert out.count("\n") == 4


def test_lists_have_a_bound(folder, capsys):
    code, _, err = ask(folder, capsys, "--top_n", "1000000000")
    assert code == 2
    assert "--top_n: '1000000000' is out of range; it must be from 1 to 100000" in err


KNOWN = {"50", "item_id", "100"}


@pytest.mark.parametrize("text, expected", [
    ("user_id,item_id\nu1,50\n", {"u1": ["50"]}), ("User ID,Item ID\nu1,50\n", {"u1": ["50"]}),
    ("user_id:token,item_id:token\nu1,50\n", {"u1": ["50"]}), ("userId,movieId\nu1,50\n", {"u1": ["50"]}),
    ("item_id,user_id\n50,u1\n", {"u1": ["50"]}), ("visitorid,itemid\nu1,new\n", {"u1": ["new"]}),
    ("\n\"user_id\",\"item_id\"\nu1,50\n", {"u1": ["50"]}), ("u1,50\nu2,100\n", {"u1": ["50"], "u2": ["100"]}),
    ("utilisateur,film\nu1,50\n", {"u1": ["50"]}), ("u1,new\nu1,50\n", {"u1": ["new", "50"]}), ("", {}),
    ("user_id,item_id\n", {}), ("user,item\nuser,50\n", {"user": ["50"]}),
])  # fmt: skip
def test_a_header_is_what_no_known_item_stands_in(text, expected, caplog):
    assert {one.user: one.items for one in read_csv(text, "h", known=KNOWN)} == expected
    assert ("taken for a header" in caplog.text) == text.startswith("utilisateur")


def test_columns_have_names(folder, tmp_path, capsys):
    text = "when,who,what\n1,u1,50\n2,u2,100\n3,u1,100\n"
    found = read_csv(text, "h", known=KNOWN, columns=("who", "what"))
    assert found == [History("u1", ["50", "100"]), History("u2", ["100"])]
    assert read_csv("item,who\n50,u1\n", "h", known=KNOWN, columns=("who", None)) == [History("u1", ["50"])]
    (fault,) = read_csv("when,who,what\n1,u1\n", "h", columns=("who", "what"))
    assert fault == Fault("u1", 2, "h:2: 2 fields; the header has 3: mend or remove it")
    for columns, message in [
        (("whoo", "what"), "h:1: the header has when, who, what, not once 'whoo' for --user; did you mean who?"),
        (("who", None), "not once 'item' for --item"),
    ]:
        with pytest.raises(UserError) as raised:
            read_csv(text, "h", columns=columns)
        assert message in str(raised.value)
    with pytest.raises(UserError, match="h:1: 3 columns, user_id, item_id, time; name two columns of the header with"):
        read_csv("user_id,item_id,time\nu1,50,1\n", "h", known=KNOWN)
    assert read_csv("utilisateur,film\nu1,50\n", "h", known=KNOWN, header=False)[0].user == "utilisateur"
    (tmp_path / "h.csv").write_text("when,who,what\n1,u1,i1\n")
    code, out, _ = ask(folder, capsys, tmp_path / "h.csv", "--user", "who", "--item", "what", "--top_n", "3")
    assert (code, out.count("\nu1,")) == (0, 3)
    for arguments, message in [
        (["--format", "json", "--user", "who"], "--user, --item and --no-header are of CSV"),
        (["--no-header", "--user", "who"], "--no-header: --user and --item name columns of a header"),
    ]:
        code, out, err = ask(folder, capsys, tmp_path / "h.csv", *arguments)
        assert (code, out) == (2, "")
        assert message in err


def test_answers_keep_the_order_of_batches(predictor):
    fault = Fault("b", 2, "h:2: no")
    users = [History("a", ["i1"]), fault, History("c", ["new"]), History("d", ["i3"])]
    found = list(answers(predictor, users * 300, 3))
    assert [one.user for one in found] == ["a", "b", "c", "d"] * 300
    assert found[1] is fault
    assert [len(one.items) for one in (found[0], *found[2:4])] == [3, 0, 3]


def test_filters_of_the_command_and_of_a_request(folder, tmp_path, capsys):
    (tmp_path / "out.txt").write_text("i1\n\ni7\ngone\n")
    (tmp_path / "in.txt").write_text("".join(f"i{item}\n" for item in range(20)))
    rows = [
        GOOD, GOOD | {"exclude": ["i2", "gone"]}, GOOD | {"allow": ["i3", "i7", "i25"]}, GOOD | {"category": "c1"},
        GOOD | {"category": ["c1", "c2"], "exclude": ["i4"]}, GOOD | {"category": []},
    ]  # fmt: skip
    (tmp_path / "h").write_text("\n".join(map(json.dumps, rows)))
    options = ["--exclude", tmp_path / "out.txt", "--allow", tmp_path / "in.txt", "--top_n", "40"]
    code, out, err = ask(folder, capsys, tmp_path / "h", *options)
    assert code == 0
    assert "--exclude: 1 of 3 ids are unknown, the first: 'gone'" in err
    found = [[int(item["item"][1:]) for item in json.loads(line)["items"]] for line in out.splitlines()]
    passing = set(range(20)) - {1, 7}
    expected = [
        passing, passing - {2}, {3}, {one for one in passing if one % 3 == 1},
        {one for one in passing if one % 3 and one != 4}, set(),
    ]  # fmt: skip
    assert list(map(sorted, found)) == list(map(sorted, expected))
    assert found[1] == [one for one in found[0] if one != 2]
    (tmp_path / "h").write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD | {"category": ["c7"]}))
    code, out, err = ask(folder, capsys, tmp_path / "h", "--category", "c0")
    assert (code, "h:2: category: 'c7' is none of the categories" in json.loads(out.splitlines()[1])["error"]) == (
        2,
        True,
    )
    for words, message in [
        (["--category", "c7"], "category: 'c7' is none of the categories; did you mean c"),
        (["--allow", tmp_path / "nowhere"], "nowhere: cannot be read"),
        (["--exclude", "/dev/null"], "no ids; give one"),
    ]:
        code, out, err = ask(folder, capsys, tmp_path / "h", *words)
        assert (code, message in err, out) == (2, True, "")


def test_filters_from_python(predictor):
    catalogue, histories = predictor.catalogue, [[1, 2, 3], [4, 5], [6]]
    some = catalogue.select(Filters(category=("c1",)))
    lists = predictor.recommend(histories, 30, exclude=[[7], [], [8, 9]], selection=[some, None, some])
    kept = [set(one[one > 0].tolist()) for one in lists.items]
    assert kept[0] == set(some.items) - {1, 2, 3, 7}
    assert kept[1] == set(range(1, 31)) - {4, 5}
    assert kept[2] == set(some.items) - {6, 8, 9}
    alone = predictor.recommend([histories[0]], 30, exclude=[[7]], selection=some)
    assert alone.items[0].tolist() == lists.items[0].tolist()
    for exclude, message in [
        ([[1]], "exclude: 1 for 3 histories"),
        ([[31], [], []], r"exclude\[0\]: \[31\] is not a list"),
        ([[1.5], [], []], "is not a list of ids"),
        ([1, 2, 3], r"exclude\[0\]: 1 is not a list of ids"),
        ([["i1"], [], []], "is not a list of ids"),
    ]:
        with pytest.raises(ValueError, match=message):
            predictor.recommend(histories, 5, exclude=exclude)


def test_scores_are_told_in_eight_digits():
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=20_000) * 10.0 ** rng.integers(-7, 9, 20_000)
    ties = np.arange(524_288, 540_000, 0.0625)  # to hundredths, halfway
    large = rng.normal(size=20_000) * 10.0 ** rng.integers(9, 28, 20_000)
    small = rng.uniform(1, 9, 20_000) * 10.0 ** rng.integers(-15, -7, 20_000)
    scores = np.concatenate([drawn, ties, large, small, [0, -0.0, 999.99994, 1, 1e7, 3e29, -np.inf]]).astype(np.float32)
    assert eight_digits(scores).tolist() == [float(f"{one:.8g}") for one in scores.tolist()]
