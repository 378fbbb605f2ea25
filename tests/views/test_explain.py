"""Pictures of a checkpoint: what is gathered for them, and that every model has them."""

import re
import sys

import numpy as np
import paddle
import pytest
from datasets import write_features
from messages import without_log
from registry import SEVERAL, every_model

from models import MODELS
from tools import explain
from tools.common.errors import UserError
from tools.config.load import constructor_options
from tools.evaluation.metrics import interest_similarity
from tools.training import checkpoint
from tools.training.dygraph import DygraphModel
from tools.training.splits import open_split
from tools.views import pictures
from tools.views.scene import Scene

V, T = 30, 6


@pytest.fixture
def data(write_dataset):
    """Sixty users with 4 to 29 of 30 items in three categories; titles that matplotlib could take for mathematics."""
    rng = np.random.default_rng(0)
    folder = write_dataset(
        {f"u{user}": [str(item) for item in rng.permutation(V)[: rng.integers(4, V)]] for user in range(60)}
    )
    write_features(folder, "item", title=[[f"Film ${item}$ & 电影_{item}"] for item in range(1, V + 1)])
    np.save(folder / "item_category.npy", np.array([-1, *(item % 4 - 1 for item in range(V))]))
    (folder / "category_map.csv").write_text("category,name\n0,Action\n1,Comedy\n2,Drama\n")
    return folder


@pytest.fixture
def saved(data, settings, tmp_path):
    """`saved("mind", maxlen=5)`: the configuration of a checkpoint of that model."""

    def save(name, **hyper):
        hyper = {"model": name, "item_count": V + 1, "maxlen": T, "model_save_path": str(tmp_path / "out"), **hyper}
        if "embedding_dim" in constructor_options(MODELS[name]):
            hyper.setdefault("embedding_dim", 8)
        config = settings(data, **hyper)
        paddle.seed(0)  # each interest of untrained weights retrieves an item that no other has first
        model = DygraphModel().create_model(config)
        if hasattr(model, "fit"):
            model.fit(open_split("train", config).items)
        checkpoint.save(tmp_path / "out/best", model, None, config, {"step": 20})
        return config

    return save


def draw(tmp_path, *argv):
    """The pictures, name -> text."""
    explain.main(["-m", str(tmp_path / "out/best/config.yaml"), *argv])
    return {path.stem: path.read_text() for path in (tmp_path / "out").glob("explain-*.svg")}


@pytest.mark.extras
@every_model
def test_every_model_with_vectors_has_its_pictures(name, saved, tmp_path, capsys, recwarn):
    config = saved(name)
    if name == "most_pop" or MODELS[name].gives_scores:
        with pytest.raises(SystemExit) as end:
            draw(tmp_path)
        assert end.value.code == 2
        assert f"error: hyper_parameters.model: {name} has no vectors to draw" in capsys.readouterr().err
        return
    model = DygraphModel().create_model(config)
    drawn = draw(tmp_path)
    several = model.interest_num > 1
    assert several == (name in SEVERAL and name != "two_tower")
    assert drawn.keys() == {"explain-coupling", "explain-items", *(["explain-similarity"] if several else [])}
    assert len(re.findall(r"Film \$\d+\$ &amp; 电影_\d+", drawn["explain-coupling"])) == T
    assert not [one for one in recwarn if "Glyph" in str(one.message)]
    items = drawn["explain-items"]
    if not hasattr(MODELS[name], "fit"):  # of a fitted one an interest may retrieve nothing first
        assert all(f"interest {k}" in items for k in range(1, model.interest_num + 1))
    assert all(f">{category} (" in items for category in ("Action", "Comedy", "Drama", "other"))
    named = [
        sum(map(int, re.findall(rf">(?:{of}) \((\d+)\)", items)))
        for of in (r"interest \d", r"Action|Comedy|Drama|other")
    ]
    assert named[0] == named[1] > 0  # each item once by its interest, once by its category
    assert draw(tmp_path) == drawn  # the same each time


@pytest.mark.extras
def test_png_elsewhere_of_a_user_by_name(saved, data, tmp_path, capsys):
    saved("mind")
    (user, *_) = open_split("test", saved("mind")).data.users
    name = (data / "user_map.csv").read_text().splitlines()[user + 1].split(",")[1]
    folder = tmp_path / "elsewhere"
    draw(tmp_path, "--user", name, "--pictures", "items", "--format", "png", "--output", str(folder))
    assert [path.name for path in folder.iterdir()] == ["explain-items.png"]
    assert (folder / "explain-items.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out == f"written to {folder / 'explain-items.png'}\n"


@pytest.mark.extras
def test_dead_interests_are_shown_as_such_and_retrieve_nothing(saved, tmp_path):
    saved("comirec_sa", dynamic_interest_num=True)  # of 6 items, 2 interests live
    drawn = draw(tmp_path)
    assert drawn["explain-coupling"].count("dead") == 2
    assert "interest 2" in drawn["explain-items"]
    assert "interest 3" not in drawn["explain-items"]
    assert len(re.findall(r">\d\.\d\d<", drawn["explain-coupling"])) == 2 * T


@pytest.mark.extras
def test_the_curve_of_training_is_drawn_where_there_is_one(saved, tmp_path):
    saved("mind")
    assert "this checkpoint" not in draw(tmp_path)["explain-similarity"]
    rows = ["step,epoch,tag,value", "10,0,valid/interest_similarity,0.7", "20,1,valid/interest_similarity,0.4"]
    (tmp_path / "out/history.csv").write_text("\n".join([*rows, ""]))
    assert "this checkpoint" in draw(tmp_path)["explain-similarity"]


@pytest.mark.extras
@pytest.mark.parametrize(
    "name, argv, message",
    [
        ("mind", ["--user", "u300"], "--user: 'u300' is not a user of the data set; did you mean u30?"),
        ("youtube_dnn", ["--pictures", "similarity"], "youtube_dnn has one interest; similarity needs several"),
        ("mind", ["-o", "runner.infer_end_epoch=3"], "name 3 checkpoints and one is taken"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_a_line(name, argv, message, saved, tmp_path, capsys):
    saved(name)
    with pytest.raises(SystemExit) as end:
        draw(tmp_path, *argv)
    assert end.value.code == 2
    *_, error = without_log(capsys.readouterr().err).splitlines()
    assert message in error


def test_a_user_who_is_not_in_test_is_told(saved, data):
    config = saved("mind")
    name = (data / "user_map.csv").read_text().splitlines()[open_split("train", config).user[0] + 1].split(",")[1]
    with pytest.raises(UserError, match=f"--user: {name} is not in test with a history and a target"):
        Scene(settings=config, user=name, top_n=5)


def test_without_matplotlib_the_extra_is_named(saved, tmp_path, monkeypatch, capsys):
    saved("mind")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit):
        draw(tmp_path)
    assert "install it with: pip install '.[plot]'" in capsys.readouterr().err


@pytest.mark.parametrize("batch_size", [512, 4])
def test_what_is_drawn_is_the_model_s(batch_size, saved):
    config = saved("mind", infer_batch_size=batch_size)
    scene = Scene(settings=config, user=None, top_n=5)
    batches = list(open_split("test", config))
    live, interests = (
        np.concatenate(one)
        for one in zip(*(DygraphModel().infer_forward(scene.model, batch)[::-1] for batch in batches), strict=True)
    )
    number = next(user for batch in batches for user, n in zip(batch.user, batch.seq_len, strict=True) if n == T)
    row = np.concatenate([batch.user for batch in batches]).tolist().index(number)
    assert scene.user.number == number
    np.testing.assert_allclose(scene.user.interests, interests[row], rtol=1e-5)
    assert scene.user.hist_item.tolist() == np.concatenate([batch.hist_item for batch in batches])[row].tolist()
    np.testing.assert_allclose(scene.user.coupling.sum(axis=0), 1.0, rtol=1e-5)  # MIND's softmax is over interests
    pairs = scene.cosine[~np.eye(4, dtype=bool)]
    assert pairs.mean() == pytest.approx(interest_similarity(interests, live).mean(), rel=1e-5)
    np.testing.assert_allclose(np.diag(scene.cosine), 1.0, rtol=1e-5)


def test_a_plane_keeps_what_lies_in_it_and_draws_interests_as_long_as_items():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(7, 2)))[0].T  # [2, D]
    flat = rng.normal(size=(40, 2)) * [3.0, 1.0]
    vectors = flat @ basis
    plane = pictures.project(vectors, vectors[:5], 100.0 * vectors[:3])
    assert plane.share.sum() == pytest.approx(1.0)
    apart = np.linalg.norm(plane.items[:, None] - plane.items, axis=2)
    np.testing.assert_allclose(apart, np.linalg.norm(flat[:, None] - flat, axis=2), atol=1e-9)
    np.testing.assert_allclose(plane.history, plane.items[:5])
    origin = pictures.project(vectors, np.zeros((1, 7)), vectors[:3]).history
    length = np.linalg.norm(plane.interests - origin, axis=1)
    np.testing.assert_allclose(length, np.linalg.norm(flat, axis=1).mean())
    # A vector more of the same plane must not turn it over.
    again = pictures.project(vectors[::-1], vectors[:5], vectors[:3])
    np.testing.assert_allclose(again.items[::-1], plane.items)


def test_a_single_item_has_a_plane():
    plane = pictures.project(np.array([[1.0, 2.0]]), np.zeros((0, 2)), np.array([[3.0, 6.0]]))
    np.testing.assert_allclose(np.concatenate(plane[:3]), np.zeros((2, 2)), atol=1e-9)
    assert plane.share.tolist() == [0.0, 0.0]


def test_categories_past_the_largest_eight_are_other():
    category = np.array([name for n, name in enumerate("abcdefghij", 1) for _ in range(n)] + [""])
    parts = dict(pictures.groups(category))
    assert list(parts) == [*"jihgfedc", "other"]
    assert [int(chosen.sum()) for chosen in parts.values()] == [10, 9, 8, 7, 6, 5, 4, 3, 4]


def test_a_long_title_is_cut():
    assert pictures.shorten("a" * 36) == "a" * 36
    assert pictures.shorten("word " * 20) == "word word word word word word word…"
    assert pictures.shorten("a\x01b") == r"a\x01b"
