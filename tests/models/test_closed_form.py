"""Models that bring their own `fit`: small cases by hand, against the library, and on planted interests."""

import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import paddle
import pytest
import yaml
from registry import NEEDS_EXTRA, create, training_items

import infer
import trainer
from models import MODELS
from tools.common.errors import UserError
from tools.preprocess import main as preprocess
from tools.retrieval.retriever import Retriever, ScoreIndex
from tools.serving import exporter
from tools.training import checkpoint
from tools.training.dygraph import DygraphModel
from tools.training.settings import load_settings

V, D, T, ALPHA, REGULARIZATION = 30, 5, 7, 3.0, 0.2
extras = pytest.mark.extras


def users(*rows):
    """What `fit` takes."""
    return SimpleNamespace(values=np.concatenate(rows), offsets=np.cumsum([0, *map(len, rows)]))


def history(*rows, maxlen=T):
    """Right-padded ids and lengths."""
    padded = [[*row, *[0] * (maxlen - len(row))] for row in rows]
    return paddle.to_tensor(padded, "int64"), paddle.to_tensor([len(row) for row in rows])


def factorisation(name, seed=0, **options):
    """A model with random item vectors, not fitted."""
    options = {"embedding_dim": D, "als_alpha": ALPHA, "als_regularization": REGULARIZATION, **options}
    model = MODELS[name](item_count=V, maxlen=T, **options)
    vectors = np.random.default_rng(seed).normal(size=(V, D)).astype(np.float32)
    vectors[0] = 0
    model.set_items(paddle.to_tensor(vectors))
    return model, vectors


def user_step(vectors, items):
    """The closed form word by word, in float64."""
    every, own = vectors.astype(np.float64), vectors[items].astype(np.float64)
    system = every.T @ every + ALPHA * own.T @ own + REGULARIZATION * np.eye(D)
    return np.linalg.solve(system, (1 + ALPHA) * own.sum(axis=0))


HISTORIES = [[3, 9, 4, 20], [1], [5, 6, 7, 8, 9, 10, 11], [2, 2, 3]]


def test_most_pop_counts():
    model = MODELS["most_pop"](item_count=5, maxlen=3)
    model.fit(users([1, 2, 1], [3, 1], [2]))
    assert model.item_vectors().flatten().tolist() == [0, 3, 2, 1, 0]
    interests, coupling = model.route(*history([3], [], maxlen=3))
    assert interests.numpy().tolist() == [[[1]], [[1]]]
    assert coupling.shape == [2, 1, 3]
    assert not coupling.numpy().any()


def test_the_best_of_given_scores():
    scores = np.array([[0.5, 2.0, 0.5, 0.5, -1.0], [0.0, 0.0, 0.0, 3.0, 0.0]], np.float32)
    index = ScoreIndex(ntotal=5)
    best, items = index.search(scores, 3)
    assert items.tolist() == [[1, 0, 2], [3, -1, -1]]  # ties to the lower id, nothing that is not positive
    assert best.tolist() == [[2.0, 0.5, 0.5], [3.0, -np.inf, -np.inf]]
    assert index.search(scores, 7)[1].tolist() == [[1, 0, 2, 3, -1, -1, -1], [3, *[-1] * 6]]
    lists = Retriever.of_scores(5).recommend(scores[:, None], np.ones((2, 1), bool), 3)
    assert lists.items.tolist() == [[2, 1, 3], [4, 0, 0]]


@extras
def test_neighbours_by_hand():
    model = MODELS["item_knn"](item_count=6, maxlen=3, neighbors=2, shrink=0.25)
    model.fit(users([1, 2, 3], [2, 1, 2], [1, 4], [1, 3]))
    # c_1 = 4, c_2 = c_3 = 2, c_4 = 1; c_12 = c_13 = 2, c_23 = c_14 = 1
    two, one = 2 / (8**0.5 + 0.25), 1 / 2.25
    assert model.neighbor.numpy()[:5].tolist() == [[0, 0], [2, 3], [1, 3], [1, 2], [1, 0]]
    expected = [[0, 0], [two, two], [two, one], [two, one], [one, 0]]
    np.testing.assert_allclose(model.weight.numpy()[:5], expected, rtol=1e-6)
    interests, coupling = model.route(*history([2, 4], [5], [], maxlen=3))
    np.testing.assert_allclose(interests.numpy()[0, 0], [two + one, 0, one, 0, 0], rtol=1e-6)
    assert not interests.numpy()[1:].any()
    assert coupling.numpy()[0].tolist() == [[1, 1, 0]]


def test_no_neighbour_model_has_item_vectors():
    with pytest.raises(TypeError, match="its interests are the scores of items"):
        MODELS["item_knn"](item_count=6, maxlen=3).item_vectors()


def test_the_user_step_is_the_closed_form():
    model, vectors = factorisation("wals")
    interests, coupling = model.route(*history(*HISTORIES, []))
    expected = [user_step(vectors, items) for items in HISTORIES]
    np.testing.assert_allclose(interests.numpy()[:-1, 0], expected, rtol=1e-4, atol=1e-6)
    assert not interests.numpy()[-1].any()
    assert coupling.numpy()[:, 0].sum(axis=1).tolist() == pytest.approx([1, 1, 1, 1, 0])


@extras
def test_the_user_step_is_the_library_s():
    import implicit.cpu.als
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    model, vectors = factorisation("wals")
    with threadpool_limits(1, "blas"):  # or it warns
        library = implicit.cpu.als.AlternatingLeastSquares(factors=D, regularization=REGULARIZATION)
    library.item_factors = vectors
    items = users(*HISTORIES)
    entries = np.full(len(items.values), 1 + ALPHA, np.float32)
    taken = csr_matrix((entries, items.values, items.offsets), shape=(len(HISTORIES), V))
    interests = model(*history(*HISTORIES)).numpy()[:, 0]
    np.testing.assert_allclose(interests, library.recalculate_user(np.arange(4), taken), rtol=1e-3, atol=1e-5)


@extras
def test_a_fit_is_a_fixed_point_of_both_steps():
    """Items, too, are what the paper's step makes of the users' vectors."""
    paddle.seed(1)
    model = MODELS["wals"](
        item_count=V, maxlen=12, embedding_dim=3, als_alpha=ALPHA, als_regularization=1.0, als_iterations=500
    )
    items = training_items(V)
    model.fit(items)
    rows = items.values.reshape(-1, 12)
    user = model(paddle.to_tensor(rows), paddle.full([len(rows)], 12, "int64")).numpy()[:, 0].astype(np.float64)
    for item in range(1, V):
        own = user[np.nonzero(rows == item)[0]]
        system = user.T @ user + ALPHA * own.T @ own + np.eye(3)
        expected = np.linalg.solve(system, (1 + ALPHA) * own.sum(axis=0))
        np.testing.assert_allclose(model.item_vectors().numpy()[item], expected, atol=2e-3)


def test_one_vector_with_max_scoring_is_wals():
    wals, _ = factorisation("wals")
    maxmf, _ = factorisation("maxmf", interest_num=1)
    given = history(*HISTORIES, [])
    np.testing.assert_array_equal(maxmf(*given).numpy(), wals(*given).numpy())


def test_separated_items_get_vectors_of_their_own():
    model, vectors = factorisation("maxmf", interest_num=2)
    vectors *= 0.05
    vectors[1:5, 0] += 1  # items 1 to 4 point one way, 5 to 7 another
    vectors[5:8, 1] += 1
    model.set_items(paddle.to_tensor(vectors))
    interests, coupling = model.route(*history([1, 5, 2, 6, 3, 7, 4], [1, 5, 2]))
    found = coupling.numpy()
    assert (found.sum(axis=1) == [[1] * 7, [1] * 3 + [0] * 4]).all()
    for user, items in enumerate([[1, 5, 2, 6, 3, 7, 4], [1, 5, 2]]):
        owner = found[user, :, : len(items)].argmax(axis=0)
        assert owner.tolist() == [int(item >= 5) for item in items]
        for k in range(2):
            own = [item for item in items if (item >= 5) == k]
            np.testing.assert_allclose(interests.numpy()[user, k], user_step(vectors, own), rtol=1e-3, atol=1e-5)


def test_interests_without_items_are_zero():
    model, vectors = factorisation("maxmf", interest_num=4)
    interests, coupling = (one.numpy() for one in model.route(*history([7, 7, 7], [3, 3, 8], [])))
    assert coupling.sum(axis=2).tolist() == [[3, 0, 0, 0], [2, 1, 0, 0], [0, 0, 0, 0]]
    assert ((interests != 0).any(axis=2) == (coupling.sum(axis=2) > 0)).all()
    np.testing.assert_allclose(interests[1, 1], user_step(vectors, [8]), rtol=1e-4)


TAKEN = users([1, 2, 3], [1, 2, 2], [2, 3, 4], [1, 5])  # how often does not matter


def incidence():
    matrix = np.zeros((4, 8))
    for row, (start, end) in enumerate(zip(TAKEN.offsets[:-1], TAKEN.offsets[1:], strict=True)):
        matrix[row, TAKEN.values[start:end]] = 1
    return matrix


@extras
def test_ease_is_the_ridge_regression_without_the_item_itself():
    """Each column by a regression of its own on all other items; a repeated item of a history counts once."""
    model = MODELS["ease"](item_count=8, maxlen=T, ease_lambda=2.0)
    model.fit(TAKEN)
    x, weight = incidence(), np.zeros((8, 8))
    for item in range(8):
        others = [one for one in range(8) if one != item]
        system = x[:, others].T @ x[:, others] + 2.0 * np.eye(7)
        weight[others, item] = np.linalg.solve(system, x[:, others].T @ x[:, item])
    np.testing.assert_allclose(model.weight.numpy(), weight, atol=1e-6)
    scores = model(*history([2, 5, 2], [4], []))[:, 0].numpy()
    np.testing.assert_allclose(scores, [(weight[2] + weight[5])[1:], weight[4][1:], np.zeros(7)], atol=1e-6)


@extras
def test_rp3beta_is_the_chance_of_the_walk():
    model = MODELS["rp3beta"](item_count=8, maxlen=T, neighbors=3, walk_alpha=0.8, walk_beta=0.3)
    model.fit(TAKEN)
    x = incidence()
    number, count = x.sum(axis=1), x.sum(axis=0)
    chance = np.zeros((8, 8))
    for i in range(8):
        for j in range(8):
            walks = [(1 / count[i]) ** 0.8 * (1 / number[u]) ** 0.8 for u in range(4) if x[u, i] and x[u, j]]
            chance[i, j] = sum(walks) / count[j] ** 0.3 if walks and i != j else 0.0
    for i in range(8):
        chance[i, np.argsort(-chance[i], kind="stable")[3:]] = 0.0  # the nearest three
    scores = model(*history([2, 5], [4]))[:, 0].numpy()
    np.testing.assert_allclose(scores, [(chance[2] + chance[5])[1:], chance[4][1:]], rtol=1e-5)


def test_a_model_of_all_pairs_is_refused_where_it_does_not_fit(tiny_config):
    config = load_settings(tiny_config, ["hyper_parameters.model=ease", "hyper_parameters.item_count=1000000"], None)
    with pytest.raises(UserError, match="weights of item_count × item_count would take"):
        DygraphModel().create_model(config)


@extras
@pytest.mark.parametrize("name", sorted(NEEDS_EXTRA))
def test_one_seed_one_run(name):
    states = []
    for seed in (5, 5, 6):
        paddle.seed(seed)
        model = create(name, item_count=V, maxlen=T, embedding_dim=D)
        model.fit(training_items(V))  # users longer than maxlen
        states.append({key: value.numpy() for key, value in model.state_dict().items()})
    assert all((states[0][key] == states[1][key]).all() for key in states[0])
    assert MODELS[name].gives_scores or (states[0]["item_table.weight"] != states[2]["item_table.weight"]).any()


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """600 users with 3 of 24 clusters of 12 items each, all shuffled."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("planted")
    lines = []
    for user in range(600):
        items = [f"{cluster}.{item}" for cluster in rng.choice(24, 3, replace=False) for item in range(12)]
        lines.append(" ".join([f"u{user}", *rng.permutation(items)]))
    (folder / "log.txt").write_text("\n".join(lines))
    preprocess(["sequences", str(folder / "log.txt"), "--output", str(folder / "data")])
    dirs = {f"{split}_data_dir": f"data/{split}" for split in ("train", "valid", "test")}
    runner = {**dirs, "filter_seen": True, "top_n": [20], "best_metric": "recall@20"}
    hyper = {"item_count": 289, "maxlen": 18}
    (folder / "config.yaml").write_text(yaml.safe_dump({"runner": runner, "hyper_parameters": hyper}))
    return folder


def command(planted, output, name, *options):
    options = [f"hyper_parameters.model={name}", *(f"hyper_parameters.{one}" for one in options)]
    return ["-m", str(planted / "config.yaml"), "-o", f"runner.model_save_path={output}", *options]


def recall(planted, output, name, *options):
    """Train and infer: recall@20 of the model and of MostPop on test."""
    trainer.main(command(planted, output, name, *options))
    assert {path.name for path in (output / "best").iterdir()} == {
        "rec.pdparams",
        "config.yaml",
        "state.json",
        "SHA256SUMS",
        "identity.json",
        "item_map.csv",
    }
    infer.main(command(planted, output, name, *options))
    rows = json.loads((output / "metrics.json").read_text())
    return rows[f"{name} best"]["recall@20"], rows["MostPop"]["recall@20"]


def test_most_pop_is_the_row_of_every_table(planted, tmp_path):
    model, row = recall(planted, tmp_path, "most_pop")
    assert model == row > 0


@extras
def test_a_long_fit_tells_how_far_it_is(planted, tmp_path, caplog):
    options = ("spectral_epochs=1", "mix_epochs=1", "mix_student_epochs=1", "mix_size=8", "embedding_dim=8")
    trainer.main(command(planted, tmp_path, "spectral_mix", *options))
    told = [re.fullmatch(r"(\w+): step ([\d,]+) of \2, .* s", message) for message in caplog.messages]
    assert [one[1] for one in told if one] == ["network", "attention", "student"]  # each to its end


@extras
def test_planted_interests_are_learnt(planted, tmp_path):
    knn, popular = recall(planted, tmp_path / "knn", "item_knn")
    wals, _ = recall(planted, tmp_path / "wals", "wals", "embedding_dim=8")
    single, _ = recall(planted, tmp_path / "k1", "maxmf", "embedding_dim=8", "interest_num=1")
    several, _ = recall(planted, tmp_path / "k4", "maxmf", "embedding_dim=8")
    print(f"{popular=:.3f} {knn=:.3f} {wals=:.3f} {single=:.3f} {several=:.3f}")
    assert min(knn, wals) > 4 * popular
    assert several > 1.1 * max(single, wals)
    assert several > 0.8


@pytest.mark.parametrize("name", sorted(NEEDS_EXTRA))
def test_a_missing_library_names_the_extra(name, planted, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "implicit", None)
    monkeypatch.setitem(sys.modules, "implicit.als", None)
    with pytest.raises(SystemExit) as end:
        trainer.main(command(planted, tmp_path, name))
    assert end.value.code == 2
    printed = capsys.readouterr().err
    assert f"error: {name} needs an extra; install it with: pip install '.[baselines]'" in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.iterdir())


@extras
def test_a_fit_without_solution_says_what_to_raise(planted, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        trainer.main(command(planted, tmp_path, "wals", "als_regularization=0", "embedding_dim=400"))
    assert end.value.code == 2
    assert "error: als_regularization 0.0 leaves a system of equations without solution" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    [
        "hyper_parameters.optimizer.learning_rate=0.1",
        "hyper_parameters.targets=2",
        "hyper_parameters.min_history=2",
        "hyper_parameters.train_sampling=position",
        "hyper_parameters.neg_samples=5",
        "hyper_parameters.item_features=brand",
        "runner.graph=static",
    ],
)
@pytest.mark.parametrize("name", ["most_pop", "wals"])
def test_what_only_gradient_reads_is_refused(name, option, planted, tmp_path):
    with pytest.raises(UserError, match=f"^-o {option}: .*: does not apply to the model {name}; remove it$"):
        load_settings(planted / "config.yaml", [option, f"hyper_parameters.model={name}"], MODELS)
    default = "hyper_parameters.optimizer.learning_rate=0.001"
    load_settings(planted / "config.yaml", [default, f"hyper_parameters.model={name}"], MODELS)


@pytest.mark.parametrize("name", ["item_knn", "wals"])
def test_what_has_no_onnx_form_is_refused(name, settings, tmp_path):
    config = settings(tmp_path, model=name, item_count=V, maxlen=T, model_save_path=str(tmp_path))
    checkpoint.save(tmp_path / "best", DygraphModel().create_model(config), None, config, {})
    with pytest.raises(UserError, match=f"--onnx: {name} has operators that paddle2onnx cannot convert"):
        exporter.export(config, tmp_path / "export", print)
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


@extras
def test_item_knn_breaks_ties_by_popularity_whatever_the_ids():
    rng = np.random.default_rng(2)
    rows = [np.unique(rng.integers(1, 40, 6)) for _ in range(60)]  # few users, so many ties
    number = np.concatenate([[0], rng.permutation(39) + 1])  # of each item in another data set
    plain, other = (MODELS["item_knn"](item_count=40, maxlen=3, neighbors=4) for _ in range(2))
    plain.fit(users(*rows))
    other.count_items(np.ones(40), number[1:])  # there item number[1] is the most popular
    other.fit(users(*(np.sort(number[row]) for row in rows)))
    assert (other.neighbor.numpy()[number] == number[plain.neighbor.numpy()]).all()
