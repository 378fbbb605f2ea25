"""Lists for everybody: those of the whole history, in every form, from a data set and from its log, part by part."""

import json
import shutil

import exports
import numpy as np
import polars
import pytest

import infer
from tools import recommend
from tools.serving import bulk, everybody
from tools.serving.predictor import Predictor


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recommend")
    exports.make_two(folder)
    return folder


def run(folder, capsys, *arguments):
    """Exit code and standard error."""
    code = 0
    try:
        recommend.main([str(folder / "other/export"), *map(str, arguments)])
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().err


def log_options(folder):
    return ["--users", folder / "log.csv", "--user", "user", "--item", "item", "--time", "time"]


def histories(folder):
    rows = polars.read_csv(folder / "log.csv").sort("user", "time")
    return {user[0]: part["item"].to_list() for user, part in rows.group_by("user", maintain_order=True)}


@pytest.fixture(scope="module")
def expected(folder):
    """User -> `[(item, score, interest)]`: one by one, all but four items were seen; users' features known."""
    predictor, found = Predictor(folder=folder / "other/export"), {}
    for user, items in histories(folder).items():
        profile = {"age": [f"{int(user[1:]) % 7}"]}
        rows = [predictor.numbers[item] for item in items[:26]]
        lists = predictor.recommend([rows], 3, [profile])
        columns = (one[0].tolist() for one in lists)
        found[user] = [(predictor.names[item], f"{score:.8g}", k + 1) for item, score, k in zip(*columns, strict=True)]
    return found


@pytest.fixture
def short(folder, tmp_path, monkeypatch):
    """A log of the first 26 items of each user, and the same as a data set; parts of 16 users."""
    monkeypatch.setattr(everybody, "PART", 16)
    monkeypatch.setattr(recommend, "PART", 16)
    shutil.copytree(folder / "data", tmp_path / "data")
    rows = polars.read_csv(folder / "log.csv").sort("time", maintain_order=True).group_by("user").head(26)
    rows.write_csv(tmp_path / "log.csv")
    names = dict(polars.read_csv(folder / "data/user_map.csv").select("user", "original").iter_rows())
    numbers = {name: item for item, name in polars.read_csv(folder / "data/item_map.csv").iter_rows()}
    known = histories(folder)
    for split in ("train", "valid", "test"):
        written = (folder / f"data/{split}/interactions.csv").read_text().splitlines()
        users = dict.fromkeys(int(line.split(",")[0]) for line in written)
        lines = [f"{user},{numbers[one]},{at}" for user in users for at, one in enumerate(known[names[user]][:26])]
        (tmp_path / f"data/{split}/interactions.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_every_user_of_a_data_set_gets_the_list_of_the_whole_history(folder, short, expected, ending, capsys):
    path = short / f"lists.{ending}"
    code, err = run(folder, capsys, "--users", short / "data", "--output", path, "--top_n", "3")
    assert code == 0, err
    assert "40 users, 0 without a list" in err
    if ending == "jsonl":
        lines = list(map(json.loads, path.read_text().splitlines()))
        found = {one["user"]: [(i["item"], f"{i['score']:.8g}", i["interest"]) for i in one["items"]] for one in lines}
    else:
        table = polars.read_csv(path) if ending == "csv" else polars.read_parquet(path)
        assert table.columns == ["user", "rank", "item", "score", "interest"]
        assert table["rank"].to_list() == [1, 2, 3] * 40
        found = {}
        for user, _, item, score, interest in table.iter_rows():
            found.setdefault(user, []).append((item, f"{score:.8g}", interest))
    assert found.keys() == expected.keys()
    for user, rows in found.items():
        assert [(item, interest) for item, _, interest in rows] == [(one[0], one[2]) for one in expected[user]]
        scores = [[float(score) for _, score, _ in each] for each in (rows, expected[user])]
        assert scores[0] == pytest.approx(scores[1], rel=1e-5)  # those of a batch may differ in their last digits
    assert not list(short.glob("*.parts"))


def test_a_log_gives_the_lists_of_its_data_set(folder, short, capsys):
    shutil.copytree(short / "data", short / "plain")
    (short / "plain/user_attributes.npz").unlink()
    run(folder, capsys, "--users", short / "plain", "--output", short / "a.csv", "--top_n", "4")
    with open(short / "log.csv", "a") as file:
        file.write("u1,unheard,99,,\nstranger,unheard,1,,\n")
    options = ["--users", short / "log.csv", *log_options(folder)[2:]]
    code, err = run(folder, capsys, *options, "--output", short / "b.csv", "--top_n", "4")
    assert code == 0
    assert "a log says nothing of users' age, query" in err
    assert "41 users, 1 without a list" in err
    first, second = (sorted(map(str, polars.read_csv(short / f"{one}.csv").drop("score").rows())) for one in "ab")
    assert first == second
    run(folder, capsys, *options, "--output", short / "c.jsonl", "--top_n", "4")
    lines = {one["user"]: one for one in map(json.loads, (short / "c.jsonl").read_text().splitlines())}
    assert lines["stranger"] == {"user": "stranger", "items": [], "unknown": 1}
    assert lines["u1"]["unknown"] == 1


def test_a_run_that_was_broken_off_goes_on_where_it_was(folder, short, capsys, monkeypatch):
    with open(short / "log.csv", "a") as file:
        file.write("stranger,unheard,1,,\n")
    words = ["--users", short / "log.csv", *log_options(folder)[2:], "--output", short / "a.jsonl", "--top_n", "3"]
    assert "41 users, 1 without" in run(folder, capsys, *words)[1]
    whole, written, write = (short / "a.jsonl").read_bytes(), [], bulk.Lists.write

    def stops(self, number, people):
        if number == 2 and len(written) < 3:
            raise KeyboardInterrupt
        written.append(number)
        return write(self, number, people)

    monkeypatch.setattr(bulk.Lists, "write", stops)
    (short / "a.jsonl").unlink()
    assert run(folder, capsys, *words)[0] == 130
    assert not (short / "a.jsonl").exists()
    written.append("again")
    code, err = run(folder, capsys, *words)
    assert (code, "41 users, 1 without" in err) == (0, True)
    assert written[:3] == [0, 1, "again"]
    assert 0 not in written[3:]
    assert (short / "a.jsonl").read_bytes() == whole
    (short / "a.jsonl.parts").mkdir()
    (short / "a.jsonl.parts/made_of.json").write_text("{}")
    code, err = run(folder, capsys, *words, "--category", "c1")
    assert code == 0, err
    assert "parts of another run, begun anew" in err
    lines = map(json.loads, (short / "a.jsonl").read_text().splitlines())
    assert {int(item["item"][1:]) % 3 for line in lines for item in line["items"]} == {1}


def test_interests_and_items_for_other_engines(folder, short, capsys):
    words = ["--users", short / "data"]
    for ending in ("npy", "parquet"):
        options = ["--interests", short / f"u.{ending}", "--items", short / f"i.{ending}"]
        assert run(folder, capsys, *words, *options)[0] == 0
    predictor = Predictor(folder=folder / "other/export")
    vectors, users = np.load(short / "u.npy"), polars.read_csv(short / "u.users.csv")["user"].to_list()
    assert vectors.shape == (40, 3, 8)
    user = users[5]
    rows = [predictor.numbers[item] for item in histories(folder)[user][:26]]
    hist_item, profile = np.array([rows[-6:]]), [{"age": [f"{int(user[1:]) % 7}"]}]
    interests, live = predictor.embed(hist_item, np.array([6]), profile)
    np.testing.assert_allclose(vectors[5], interests[0] * live[0][:, None], rtol=1e-4, atol=1e-6)
    table = polars.read_parquet(short / "u.parquet").filter(polars.col("user") == user)
    np.testing.assert_allclose(table["vector"].to_list(), vectors[5][table["interest"].to_numpy() - 1], rtol=1e-6)
    items = polars.read_parquet(short / "i.parquet")
    assert items["item"].to_list() == polars.read_csv(short / "i.items.csv")["item"].to_list()
    np.testing.assert_array_equal(np.load(short / "i.npy"), items["vector"].to_list())
    np.testing.assert_array_equal(np.load(short / "i.npy"), predictor.retriever.vectors[1:])


@pytest.mark.parametrize("words, message", [
    ([], "nothing to write"), (["--output", "a.csv"], "--users and what is written of them go together"),
    (["--users", "{data}", "--output", "a.xls"], ".xls is not one of .csv, .jsonl, .parquet"),
    (["--users", "{data}", "--interests", "a.csv"], ".csv is not one of .npy, .parquet"),
    (["--items", "a.csv"], "the ending is not one of .npy, .parquet"),
    (["--users", "{log}", "--output", "a.csv"], "no data set, so a log: name its columns"),
    (["--users", "{data}", "--user", "u", "--output", "a.csv"], "is a data set"),
    (["--users", "{log}", "--user", "who", "--item", "item", "--output", "a.csv"], "who"),
    (["--users", "nowhere", "--user", "u", "--item", "i", "--output", "a.csv"], "nowhere: cannot be read"),
    (["--users", "{log}", "--user", "item", "--item", "user", "--output", "a.csv"], "knows none of the log's"),
    (["--users", "{data}", "--output", "a.csv", "--allow", "{log}"], "the filters leave none of the 30 items"),
])  # fmt: skip
def test_what_cannot_be_is_said_in_a_line(folder, words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    paths = {"data": folder / "data", "log": folder / "log.csv"}
    code, err = run(folder, capsys, *(one.format(**paths) for one in words))
    assert (code, message in err, "Traceback" in err) == (2, True, False), err
    assert not list(tmp_path.iterdir())


def test_infer_filters_too_and_says_whose_lists_it_writes(folder, tmp_path, capsys):
    options = ["--category", "c1", "--recommend", str(tmp_path / "lists.csv")]
    infer.main(["-m", str(folder / "out/best/config.yaml"), *options])
    err = capsys.readouterr().err
    assert "filters leave 10 of 30 items" in err
    users = polars.read_csv(tmp_path / "lists.csv")["user"].unique().to_list()
    lost = sum(int(item[1:]) % 3 != 1 for user in users for item in histories(folder)[user][24:])
    assert f"test: the filters leave out {lost} of 24 targets ({100 * lost / 24:.1f} %), which count as missed" in err
    assert "lists of the test split's users from the part of their histories that is evaluated" in err
    table = polars.read_csv(tmp_path / "lists.csv")
    assert {int(item[1:]) % 3 for item in table["item"]} == {1}
    assert table.group_by("user").len()["len"].to_list() == [10] * 4
