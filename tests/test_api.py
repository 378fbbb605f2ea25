"""Python's front door: what it answers is what the commands answer, in the ids and frames that were given."""

import json
import warnings

import numpy as np
import polars
import pytest
from random_logs import random_rows

from tools import predict
from tools.api import Data, fit, load, prepare
from tools.common.errors import UserError
from tools.serving.frames import ItemIds
from tools.serving.requests import RequestError

OPTIONS = {"epochs": 2, "embedding_dim": 4, "maxlen": 5, "neg_samples": 10, "top_n": [5], "best_metric": "recall@5"}


def frame_of(rows, **columns):
    """Users and items as whole numbers."""
    user, item, time = ([row[place] for row in rows] for place in range(3))
    whole = {"uid": [int(one[1:]) for one in user], "sku": [int(one[1:]) for one in item], "ts": time}
    return polars.DataFrame(whole | columns)


@pytest.fixture(scope="module")
def data():
    frame = frame_of(random_rows(0))
    title = [f"Film {item}" for item in frame["sku"]]
    return prepare(frame.with_columns(name=polars.Series(title)), user="uid", item="sku", time="ts", title="name")


@pytest.fixture(scope="module")
def model(data, tmp_path_factory):
    return fit(data, "mind", output=tmp_path_factory.mktemp("run") / "out", filter_seen=True, seed=1, **OPTIONS)


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    return model.export(tmp_path_factory.mktemp("export") / "export")


def test_lists_are_those_of_predict(model, exported, tmp_path, capsys):
    histories = {"a": [3, 1, 4], "b": [5, 9]}
    lines = [json.dumps({"user": name, "history": items}) for name, items in histories.items()]
    (tmp_path / "requests.jsonl").write_text("\n".join(lines))
    predict.main([str(exported), str(tmp_path / "requests.jsonl"), "--top_n", "4"])
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = [(one["user"], int(row["item"]), row["interest"]) for one in answers for row in one["items"]]
    for asked in (model, load(exported), load(model.folder), load(model.folder.parent)):
        found = asked.recommend(histories, top_n=4)
        assert found.columns == ["user", "rank", "item", "score", "interest", "title"]
        assert list(zip(found["user"], found["item"], found["interest"], strict=True)) == expected
        assert found["title"].to_list() == [f"Film {item}" for item in found["item"]]
        assert found["rank"].to_list() == [1, 2, 3, 4] * 2
        assert found["interest"].min() >= 1


def test_ids_may_be_texts_or_whole_numbers_and_come_out_as_they_came_in(model):
    numbers, texts, floats = ([[3, 1, 4]], [["3", "1", "4"]], [np.array([3.0, 1.0, 4.0])])
    first, second, third = (model.recommend(one, top_n=5) for one in (numbers, texts, floats))
    assert first.schema["item"] == third.schema["item"] == polars.Int64
    assert second.schema["item"] == polars.String
    assert first.cast({"item": polars.String}).equals(second)
    assert first.equals(third)
    assert not set(first["item"]) & {3, 1, 4}  # filter_seen


def test_a_frame_is_ordered_by_its_time_and_says_where_that_is(model, exported):
    rows = {"uid": [7, 7, 7, 8], "sku": [1, 4, 3, 9], "ts": [2, 3, 1, 1]}
    expected = model.recommend({7: [3, 1, 4], 8: [9]})
    frame = polars.DataFrame(rows)
    assert model.recommend(frame)["item"].to_list() == expected["item"].to_list()  # columns as in the log
    assert model.recommend(frame.lazy())["user"].to_list() == expected["user"].to_list()
    opened, named = load(exported), {"user": "uid", "item": "sku"}
    with pytest.raises(RequestError, match="time=None where the rows are in order"):
        opened.recommend(frame, **named)
    assert opened.recommend(frame, **named, time="ts")["item"].to_list() == expected["item"].to_list()
    in_order = opened.recommend(frame, **named, time=None)["score"].to_list()
    assert in_order == model.recommend({7: [1, 4, 3], 8: [9]})["score"].to_list()
    assert opened.recommend(frame.drop("ts"), **named)["score"].to_list() == in_order


def test_what_the_model_does_not_know_is_told(model):
    with pytest.warns(UserWarning, match="unknown|no known") as told:
        found = model.recommend({"a": [3, 777], "b": [888], "c": [1]}, top_n=2)
    assert [str(one.message) for one in told] == [
        "2 of 4 items are unknown to the model, the first is 777; they are skipped",
        "1 users have no known item and get no list, first 'b'",
    ]
    assert found["user"].to_list() == ["a", "a", "c", "c"]
    with pytest.raises(
        RequestError, match=r"2 of 2 items are unknown .* 'x'; item ids are those of the data set, such"
    ):
        model.recommend([["x", "y"]])


def test_a_model_goes_with_its_folders_wherever_one_goes(model, data, tmp_path, monkeypatch):
    expected = model.recommend([[3, 1]])
    monkeypatch.chdir(model.folder.parent)
    opened, again = load("best"), Data(data.folder)
    monkeypatch.chdir(tmp_path)
    assert opened.recommend([[3, 1]]).equals(expected)
    assert opened.evaluate()["MostPop"] == model.evaluate()["MostPop"]
    assert again.histories() == data.histories()


def test_what_is_excluded_is_in_no_list(model):
    histories = {"a": [3, 1, 4], "b": [5, 9]}
    whole = model.recommend(histories, top_n=1000)
    best = {name: whole.filter(user=name)["item"][:3].to_list() for name in histories}
    without = model.recommend(histories, top_n=1000, exclude=best["a"])
    assert whole.filter(~polars.col("item").is_in(best["a"]))["item"].to_list() == without["item"].to_list()
    some = model.recommend(histories, top_n=3, exclude={"a": map(str, best["a"]), "c": [1]})
    assert some.filter(user="b")["item"].to_list() == best["b"]
    assert some.filter(user="a")["item"].to_list() == whole.filter(user="a")["item"][3:6].to_list()
    with pytest.raises(RequestError, match="exclude: the model knows none of these items, the first is 'sku 1'"):
        model.recommend(histories, exclude=["sku 1"])


def test_an_item_without_a_name_is_not_taken_for_one_of_that_name():
    found = ItemIds({1: "3", 2: "x"}, 3)
    assert found.find(["3", "x", "y", 2]).tolist() == [1, 2, 0, 0]
    assert found.spell(np.array([3, 1]), whole=True).to_list() == ["3", "3"]  # as `tools.predict` tells it
    assert not ItemIds({1: "99999999999999999999"}, 1).whole
    assert ItemIds({1: "0", 2: "-7"}, 2).whole


@pytest.mark.parametrize(
    "histories, told",
    [
        ([3, 1], "a list of items; give a list of histories"),
        ([], "histories: none"),
        ([[1.5]], "1.5 is no id"),
        ([[1e300]], "floats lose digits"),
        ([[float("nan")]], "nan is no id"),
        ([[2.0**53]], "9007199254740992.0 is no id"),
        ([[True]], "True of type Boolean is no id"),
        ([[3, None]], "row 1 has none"),
        (polars.DataFrame({"uid": [1], "item": [3]}), "no column 'sku', give item=; the frame has uid, item"),
        (polars.DataFrame({"uid": [None, 1], "sku": [3, 3], "ts": [1, 2]}), "users: row 0 has none"),
        (polars.DataFrame({"uid": [1, 1], "sku": [3, 3], "ts": [1, None]}), "ts: row 1 has no time"),
    ],
)  # fmt: skip
def test_bad_histories_are_refused(histories, told, model):
    with pytest.raises(RequestError, match=told):
        model.recommend(histories)


def test_interests_and_similar_items(model):
    found = model.interests([3, 1, 4, 1, 5, 9], top_n=3)  # of which the last five are seen
    assert found.items == [1, 4, 1, 5, 9]
    assert found.vectors.shape == (4, 4)
    assert found.coupling.shape == (4, 5)
    np.testing.assert_allclose(found.coupling.sum(axis=0), 1.0, rtol=1e-5)
    lines = repr(found).splitlines()
    assert [line.split()[0] for line in lines] == ["interest", "1", "2", "3", "4"]
    assert f"Film {found.found[0][0]}; Film {found.found[0][1]}" in lines[1]
    assert found._repr_html_().count("<tr>") == 5
    near = model.similar_items(3, top_n=4)
    vectors = np.array(model.predictor.vectors)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    cosine = unit @ unit[model.predictor.numbers["3"]]
    rows = [model.predictor.numbers[str(item)] for item in near["item"]]
    np.testing.assert_allclose(near["score"], np.sort(cosine)[::-1][1:5], rtol=1e-5)
    np.testing.assert_allclose(near["score"], cosine[rows], rtol=1e-5)
    with pytest.raises(RequestError, match="'x' is no item of the model"):
        model.similar_items("x")


def test_evaluation_is_a_table_beside_popularity(model, exported):
    found = model.evaluate(top_n=[3, 5])
    assert list(found) == ["mind best", "MostPop"]
    assert {"recall@3", "recall@5", "interval"} <= found["MostPop"].keys()
    assert f"{100 * found['MostPop']['recall@5']:.2f} [" in repr(found)
    assert model.evaluate(split="valid")["mind best"] != found["mind best"]
    assert not (model.folder.parent / "metrics.json").exists()  # which is of the commands and their test
    for wrong, told in (({"top_n": 0}, "runner.top_n: 0 is out of range"), ({"split": "train"}, "'train' is not one")):
        with pytest.raises(UserError, match=told):
            model.evaluate(**wrong)
    with pytest.raises(UserError, match="is an export, without users"):
        load(exported).evaluate()


def test_histories_and_targets_are_those_that_are_measured(data, model):
    histories, targets = data.histories(), data.targets()
    assert histories.keys() == targets.keys()
    assert len(histories) == model.evaluate()["MostPop"]["users"]
    found = model.recommend(histories, top_n=5)
    hits = [
        len(set(found.filter(user=user)["item"]) & set(targets[user])) / len(set(targets[user])) for user in targets
    ]
    assert np.mean(hits) == pytest.approx(model.evaluate()["mind best"]["recall@5"])


@pytest.mark.slow
def test_two_models_of_one_process_are_those_of_two(data, model, capsys):
    again, other = (fit(data.folder, "mind", filter_seen=True, seed=seed, **OPTIONS) for seed in (1, 2))
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 4  # a line an epoch
    assert printed[0].startswith("epoch 0: valid recall@5 ")
    histories = {"a": [3, 1, 4], "b": [5, 9]}
    expected = model.recommend(histories)
    assert again.recommend(histories).equals(expected)
    assert other.recommend(histories)["score"].to_list() != expected["score"].to_list()
    assert model.recommend(histories).equals(expected)


def test_a_model_without_vectors_recommends_too(data):
    model = fit(data, "most_pop", top_n=[5], best_metric="recall@5")
    assert model.recommend([[3], [1, 4]], top_n=3)["item"].n_unique() == 3


def test_a_data_set_that_was_replaced_is_refused(tmp_path):
    columns = {"user": "uid", "item": "sku", "time": "ts", "output": tmp_path / "data"}
    first = prepare(frame_of(random_rows(1)), **columns)
    model = fit(first, "most_pop", top_n=[5], best_metric="recall@5")
    prepare(frame_of(random_rows(2)), **columns)
    for act in (lambda: fit(first, "mind", **OPTIONS), lambda: model.recommend([[1]]), model.evaluate):
        with pytest.raises(UserError, match="another data set is there than when it was opened"):
            act()
    with pytest.raises(UserError, match="item map"):
        load(model.folder, data=tmp_path / "data")


def test_wrong_keys_are_answered_as_the_yamls_are(data, tmp_path):
    with pytest.raises(UserError) as told:
        fit(data, "ComiRec_D", dropuot=0.1, epochs="many", lr=0.1, interest_num=np.int64(100), optimizer="Sgd")
    lines = str(told.value).split("\n")
    assert [line.strip() for line in lines] == [
        "dropuot=0.1: dropuot: unknown key; did you mean hyper_parameters.dropout?",
        "epochs='many': runner.epochs: 'many' is of type str; write a whole number",
        "lr=0.1: lr: unknown key; did you mean hyper_parameters.optimizer.learning_rate?",
        "interest_num=100: hyper_parameters.interest_num: 100 is out of range; it must be from 1 to 64",
        "optimizer='Sgd': hyper_parameters.optimizer.class: 'Sgd' is not one of Adam, SGD, Adagrad, Momentum, "
        "RowWiseAdagrad; did you mean SGD?",
        lines[-1].strip(),
    ]
    assert "'ComiRec_D' is not one of" in lines[-1]
    assert lines[-1].endswith("did you mean comirec_dr?")
    for act, message in (
        (lambda: load(tmp_path), "neither an export nor a checkpoint"),
        (lambda: Data(tmp_path), "no folder train here"),
        (lambda: prepare(frame_of(random_rows(0))), "user and item are missing"),
        (lambda: prepare("movielens-100k", user="uid"), "has columns of its own"),
        (lambda: fit(data, "mind", model_save_path="x", epochs=1), "model_save_path: set by data and output"),
    ):
        with pytest.raises(UserError, match=message):
            act()


def test_a_run_is_not_overwritten_and_a_table_on_the_disk_is_read(model, data, tmp_path):
    with pytest.raises(UserError, match="holds a run"):
        fit(data, "mind", output=model.folder.parent, **OPTIONS)
    frame_of(random_rows(0)).write_csv(tmp_path / "log.csv")
    found = prepare(tmp_path / "log.csv", user="uid", item="sku", time="ts", output=tmp_path / "data")
    assert found.meta["splits"].keys() == data.meta["splits"].keys()
    train = found.meta["splits"]["train"]
    assert repr(found).splitlines()[1].split() == ["train", str(train["users"]), str(train["interactions"])]


@pytest.mark.extras
def test_frames_of_pandas_come_back_as_such(data, model, tmp_path):
    import pandas

    frame = frame_of(random_rows(0))
    whole = pandas.DataFrame({name: frame[name].to_list() for name in frame.columns})
    own = prepare(whole, user="uid", item="sku", time="ts", output=tmp_path / "data")
    assert own.meta["item_count"] == data.meta["item_count"]
    asked = pandas.DataFrame({"uid": [7, 7, 7], "sku": [1, 4, 3], "ts": [2, 3, 1]})
    found = model.recommend(asked, top_n=3)
    assert isinstance(found, pandas.DataFrame)
    assert found["item"].tolist() == model.recommend([[3, 1, 4]], top_n=3)["item"].to_list()
    assert found["item"].dtype == "int64"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(fit(own, "mind", **OPTIONS).similar_items(3), pandas.DataFrame)
    with pytest.raises(RequestError, match="items: row 1 has none"):
        model.recommend(pandas.DataFrame({"uid": [7, 7], "sku": [1, None]}))


@pytest.mark.extras
def test_a_picture_shows_itself_and_leaves_the_style_alone(model, data, tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams), matplotlib.get_backend()
    picture = model.explain()
    assert (dict(matplotlib.rcParams), matplotlib.get_backend()) == before
    assert picture._repr_png_()[:4] == b"\x89PNG"
    picture.save(tmp_path / "picture.svg")
    assert "interest" in (tmp_path / "picture.svg").read_text()
    assert model.explain(picture="items")._repr_png_() != picture._repr_png_()
    with pytest.raises(UserError, match="'item' is not one of coupling, items, similarity; did you mean items"):
        model.explain(picture="item")
