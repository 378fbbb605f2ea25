"""Features of items and users: what they add up to, how they come from the data set, and that they help."""

import json
import shutil

import numpy as np
import paddle
import pytest
from datasets import write_features
from messages import refused
from paddle.io import DataLoader

import infer
import trainer
from models import MODELS
from models.layers.features import FeatureTable, ItemTable
from tools import add_items, export, predict, preprocess
from tools.common.errors import UserError
from tools.common.ragged import ragged
from tools.config.load import constructor_options
from tools.data.dataset import read_map
from tools.data.features import Features, item_features, user_features, vocabulary
from tools.training import checkpoint
from tools.training.settings import load_settings
from tools.training.splits import open_split
from tools.training.static import GRAPHS

D = 4
# Two features of five items and the padding row: item 1 has one value of each, item 2 two of the first, item 3 three of
# the second with one of them twice, item 4 none, item 5 one of the second.
SLOTS = [[], [], [0], [2], [0, 1], [], [], [3, 4, 3], [], [], [], [4]]


def features_of(slots, sizes=(2, 3)):
    texts = [np.array([f"{number}.{n}" for n in range(size)]) for number, size in enumerate(sizes)]
    values = np.array([one for slot in slots for one in slot], np.int64)
    return Features(texts, ragged([len(slot) for slot in slots], values))


def item_table(sparse=True):
    paddle.seed(1)
    return ItemTable(item_count=6, embedding_dim=D, sparse=sparse, init_std=1.0, features=features_of(SLOTS))


def by_hand(table, item):
    own, value = table.weight.numpy()[item], table.features.table.weight.numpy()
    means = [value[slot].mean(axis=0) for slot in SLOTS[2 * item : 2 * item + 2] if slot]
    return (own + sum(means, np.zeros(D))) / (1 + len(means))


@pytest.mark.parametrize("items", [[1], [4], [0], [0, 4, 4], [5, 2, 3, 1, 3, 0, 4], [[1, 2, 0], [3, 3, 5]], [[[2]]]])
def test_a_row_is_the_mean_of_id_and_features(items):
    table = item_table()
    rows = table(paddle.to_tensor(items)).numpy()
    assert rows.shape == (*np.shape(items), D)
    for item, row in zip(np.ravel(items), rows.reshape(-1, D), strict=True):
        np.testing.assert_allclose(row, by_hand(table, item), rtol=1e-5, atol=1e-6)
        if item == 0:
            assert not row.any()


@pytest.mark.parametrize("chunk", [1, 4, 6, 100])
def test_all_rows_are_the_rows_of_all_ids(chunk):
    table = item_table()
    rows = table.rows(chunk).numpy()
    np.testing.assert_array_equal(rows, table(paddle.arange(6)).numpy())
    assert not rows[0].any()


def test_no_value_anywhere():
    table = ItemTable(item_count=4, embedding_dim=D, sparse=True, init_std=1.0, features=features_of([[]] * 8))
    rows = table(paddle.to_tensor([[1, 2], [0, 3]]))
    np.testing.assert_array_equal(rows.numpy()[0], table.weight.numpy()[1:3])
    rows.sum().backward()


def test_means_of_a_feature_table():
    paddle.seed(0)
    table = FeatureTable(features=features_of([[]] * 2), embedding_dim=D)
    value = table.table.weight.numpy()
    token, count = [3, 0, 1, 3, 3, 4], [1, 0, 0, 2, 2, 1]
    means = table(paddle.to_tensor(token), paddle.to_tensor(count)).numpy()
    zero = np.zeros(D)
    expected = [[value[3], zero], [zero, (value[0] + value[1]) / 2], [value[3], value[4]]]
    np.testing.assert_allclose(means, expected, rtol=1e-5)
    empty = table(paddle.zeros([0], "int64"), paddle.zeros([4], "int64")).numpy()
    assert empty.shape == (2, 2, D)
    assert not empty.any()


@pytest.mark.parametrize("kind", ["Adam", "SGD", "Adagrad", "Momentum"])
@pytest.mark.parametrize("sparse", [True, False])
def test_only_rows_that_were_looked_up_change_and_padding_never(kind, sparse):
    table = item_table(sparse)
    lazy = {"lazy_mode": True} if kind == "Adam" else {}
    optimizer = getattr(paddle.optimizer, kind)(learning_rate=0.1, parameters=table.parameters(), **lazy)
    before = [table.weight.numpy().copy(), table.features.table.weight.numpy().copy()]
    live = paddle.to_tensor([[0.0, 1], [1, 0]]).unsqueeze(2)  # what padding gives is masked in every model
    for _ in range(3):
        (table(paddle.to_tensor([[0, 1], [4, 0]])) * live * paddle.to_tensor([1.0, 2, 3, 4])).sum().backward()
        optimizer.step()
        optimizer.clear_grad()
    changed = [
        np.flatnonzero((one != two).any(axis=1)).tolist()
        for one, two in zip(before, (table.weight.numpy(), table.features.table.weight.numpy()), strict=True)
    ]
    assert changed == [[1, 4], [0, 2]]
    assert not table(paddle.to_tensor([0])).numpy().any()


@pytest.mark.parametrize("sparse", [True, False])
def test_gradients_of_a_row_are_shares_of_its_parts(sparse):
    table = item_table(sparse)
    weights = (table.weight, table.features.table.weight)
    before = [one.numpy().copy() for one in weights]
    table(paddle.to_tensor([3, 3, 2])).sum().backward()
    paddle.optimizer.SGD(learning_rate=1.0, parameters=table.parameters()).step()
    own, value = (one - two.numpy() for one, two in zip(before, weights, strict=True))
    np.testing.assert_allclose(own[:, 0], [0, 0, 1 / 2, 2 / 2, 0, 0], atol=1e-6)
    np.testing.assert_allclose(value[:, 0], [1 / 4, 1 / 4, 0, 2 / 3, 1 / 3], atol=1e-6)


GROUPS = 20  # items of a group
ITEMS = [f"i{n}" for n in range(2 * GROUPS)]


@pytest.fixture
def planted(write_dataset):
    """Users whose colour decides, from the middle of their list on, which of two groups of items comes.

    The first half comes from both groups alike, so that a history says nothing of the rest; even items are cheap, and
    of the first group those are also old.
    """

    def write(users=300):
        rng = np.random.default_rng(0)
        sequences, colours = {}, []
        for user in range(users):
            early = rng.choice(2 * GROUPS, 8, replace=False)
            colour = user % 2
            late = colour * GROUPS + rng.choice(GROUPS, 2, replace=False)
            sequences[f"u{user}"] = [ITEMS[item] for item in (*early, *late)]
            colours.append(colour)
        folder = write_dataset(sequences)
        numbers = [int(name[1:]) for name in read_map(folder / "item_map.csv").values()]
        write_features(
            folder,
            "user",
            colour=[[["red", "blue"][colours[int(name[1:])]]] for name in read_map(folder / "user_map.csv").values()],
            likes=[[f"l{user % 3}", f"l{user % 5}"][: user % 3] for user in range(users)],
        )
        write_features(
            folder,
            "item",
            group=[[f"g{number // GROUPS}"] for number in numbers],
            marks=[["cheap", "old"][: 2 - number // GROUPS] if number % 2 == 0 else [] for number in numbers],
        )
        return folder

    return write


def write_config(folder, tmp_path, **hyper):
    runner = {f"{split}_data_dir": str(folder / split) for split in ("train", "valid", "test")}
    runner |= {"model_save_path": str(tmp_path / "out"), "epochs": 6, "train_batch_size": 32, "top_n": [10, 20]}
    runner |= {"best_metric": "recall@10", "filter_seen": True}
    hyper = {"embedding_dim": 16, "maxlen": 8, "neg_samples": 40, "min_history": 8} | hyper
    hyper |= {"item_count": 2 * GROUPS + 1, "optimizer": {"learning_rate": 0.02}}
    (tmp_path / "config.yaml").write_text(json.dumps({"runner": runner, "hyper_parameters": hyper}))
    return str(tmp_path / "config.yaml")


def recall(path, tmp_path):
    trainer.main(["-m", path, "-o", "runner.overwrite=true"])
    infer.main(["-m", path])
    found = json.loads((tmp_path / "out/metrics.json").read_text())
    return next(row["recall@10"] for name, row in found.items() if name != "MostPop")


@pytest.mark.parametrize("model", ["mind", "comirec_sa"])
@pytest.mark.slow
def test_a_profile_that_decides_what_comes_next_is_used(model, planted, tmp_path):
    folder = planted()
    without = recall(write_config(folder, tmp_path, model=model), tmp_path)
    features = {"user_features": ["colour"], "item_features": ["group", "marks"]}
    with_profile = recall(write_config(folder, tmp_path, model=model, **features), tmp_path)
    assert with_profile > without + 0.2


def test_features_are_those_of_the_data_set(planted, settings):
    folder = planted(40)
    names = {"user_features": ["likes", "colour"], "item_features": ["marks", "group"]}
    config = settings(folder, item_count=2 * GROUPS + 4, **names)
    users, items = user_features(config.features), item_features(config.features)
    assert (users.feature_num, users.token_num, users.row_num) == (2, 5 + 2, 40)
    assert (items.feature_num, items.token_num) == (2, 2 + 2)
    assert list(vocabulary(config.features)) == ["item.marks", "item.group", "user.likes", "user.colour"]
    texts = np.concatenate(items.texts)
    for item in (0, *range(2 * GROUPS + 1, 2 * GROUPS + 4)):
        assert items.of([item])[1].tolist() == [0, 0]
    for item, name in read_map(folder / "item_map.csv").items():
        number = int(name[1:])
        marks = ["cheap", "old"][: 2 - number // GROUPS] if number % 2 == 0 else []
        token, count = items.of([item])
        assert texts[token].tolist() == [*marks, f"g{number // GROUPS}"]
        assert count.tolist() == [len(marks), 1]


def profiles_of(features, context, users):
    """What a batch says of each user: lists of texts, a slot each."""
    token, count = (np.asarray(one) for one in context)
    texts = np.concatenate(features.texts)
    slots = [texts[one].tolist() for one in np.split(token, np.cumsum(count)[:-1])]
    assert len(slots) == users * features.feature_num
    return [slots[n : n + features.feature_num] for n in range(0, len(slots), features.feature_num)]


def test_a_batch_holds_the_features_of_its_users(planted, settings):
    folder = planted(40)
    config = settings(
        folder, item_count=2 * GROUPS + 1, user_features=["colour", "likes"], train_batch_size=16, min_history=8
    )
    users, features = read_map(folder / "user_map.csv"), user_features(config.features)
    expected = {
        user: [[["red", "blue"][int(name[1:]) % 2]], [f"l{user % 3}", f"l{user % 5}"][: user % 3]]
        for user, name in users.items()
    }
    data = open_split("train", config)
    sequences = {tuple(data.items.take([n]).values[:8]): int(user) for n, user in enumerate(data.user)}
    for hist_item, _, seq_len, *context in data:
        assert [one.dtype for one in context] == [np.int64] * 2
        for row, found in enumerate(profiles_of(features, context, 16)):
            if seq_len[row] == 8 and tuple(hist_item[row, :8]) in sequences:
                assert found == expected[sequences[tuple(hist_item[row, :8])]]
    for batch in open_split("test", config):
        found = profiles_of(features, batch.context, len(batch.user))
        assert found == [expected[user] for user in batch.user.tolist()]


def test_users_whom_the_data_set_does_not_know_have_no_features(planted, settings):
    folder = planted(40)
    (folder / "test/interactions.csv").unlink()
    (folder / "test/rows.txt").write_text("".join(f"{user},{k},{k}\n" for user in (7, 40, 123456, -5) for k in (1, 2)))
    config = settings(folder, item_count=2 * GROUPS + 1, user_features=["colour"])
    (batch,) = open_split("test", config)
    assert batch.user.tolist() == [7, 40, 123456, -5]
    assert batch.context[1].tolist() == [1, 0, 0, 0]
    assert len(batch.context[0]) == 1


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_in_which_nobody_has_a_value(num_workers, planted, settings):
    folder = planted(40)
    write_features(folder, "user", colour=[[]] * 40)
    write_features(folder, "item", group=[[]] * 2 * GROUPS)
    config = settings(
        folder, item_count=2 * GROUPS + 1, user_features=["colour"], item_features=["group"], embedding_dim=8,
        min_history=8, maxlen=8, train_batch_size=16,
    )  # fmt: skip
    for graph in (GRAPHS["dynamic"](), GRAPHS["static"]()):
        model = graph.create_model(config)
        optimizer = graph.create_optimizer(model, config, 10)
        for batch in DataLoader(open_split("train", config), batch_size=None, num_workers=num_workers):
            assert not batch[4].numpy().any()
            loss = graph.train_forward(model, batch)
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            assert np.isfinite(float(loss))
        (batch,) = open_split("test", config)
        assert np.isfinite(graph.infer_forward(model, batch)[0]).all()


@pytest.mark.parametrize("model", ["mind", "comirec_dr", "comirec_sa"])
def test_both_graphs_are_the_same_with_features(model, planted, settings):
    folder = planted(60)
    config = settings(
        folder, model=model, item_count=2 * GROUPS + 1, user_features=["likes", "colour"], targets=2, maxlen=8,
        item_features=["marks", "group"], embedding_dim=8, min_history=4, train_batch_size=16, neg_samples=10,
    )  # fmt: skip
    losses, interests = [], []
    for graph in (GRAPHS["dynamic"](), GRAPHS["static"]()):
        paddle.seed(5)
        net = graph.create_model(config)
        optimizer = graph.create_optimizer(net, config, 10)
        losses.append([])
        for batch in open_split("train", config):
            loss = graph.train_forward(net, batch)
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            losses[-1].append(float(loss))
        (batch,) = open_split("test", config)
        interests.append(graph.infer_forward(net, batch)[0])
    np.testing.assert_allclose(*losses, rtol=1e-4)
    np.testing.assert_allclose(*interests, rtol=1e-3, atol=1e-4)


def test_without_a_context_nothing_is_known(planted, settings):
    config = settings(planted(40), item_count=2 * GROUPS + 1, user_features=["likes", "colour"], maxlen=8)
    model = GRAPHS["dynamic"]().create_model(config)
    model.eval()
    hist_item, seq_len = paddle.to_tensor([[1, 2, 3, 0], [4, 0, 0, 0]]), paddle.to_tensor([3, 1])
    nothing = (paddle.zeros([0], "int64"), paddle.zeros([4], "int64"))
    np.testing.assert_array_equal(model(hist_item, seq_len).numpy(), model(hist_item, seq_len, *nothing).numpy())


@pytest.mark.parametrize(
    "options, message",
    [
        ({"user_features": ["color"]}, "user_features: {}/user_attributes.npz has colour, likes, not 'color'; did you"),
        ({"item_features": ["group", "mark"]}, "has group, marks, not 'mark'; did you mean marks?"),
        ({"item_features": ["title"]}, "item_features: {}/item_attributes.npz has group, marks, not 'title'"),
    ],
)
def test_a_wrong_name_is_one_line(options, message, planted, tmp_path, capsys):
    folder = planted(40)
    path = write_config(folder, tmp_path, **options)
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        trainer.main(["-m", path])
    assert end.value.code == 2
    error = [line for line in capsys.readouterr().err.splitlines() if " - INFO - " not in line]
    assert len(error) == 1
    assert error[0].startswith("error: ")
    assert message.format(folder) in error[0]
    assert not (tmp_path / "out").exists()


def test_a_data_set_without_features_says_so(write_dataset, settings):
    folder = write_dataset({"u": ["a", "b"] * 9, "v": ["a"] * 9})
    config = settings(folder, item_count=3, item_features=["genres"])
    with pytest.raises(UserError, match=r"item_features: .*item_attributes.npz does not exist; .* remove the key"):
        item_features(config.features)
    (folder / "user_attributes.npz").touch()
    with pytest.raises(UserError, match=r"user_attributes.npz: not readable .*; prepare the data set again"):
        user_features(settings(folder, item_count=3, user_features=["age"]).features)


def test_a_checkpoint_remembers_what_its_values_were(planted, tmp_path, capsys):
    folder = planted(40)
    path = write_config(folder, tmp_path, user_features=["colour"], item_features=["group"])
    trainer.main(["-m", path, "-o", "runner.epochs=1"])
    saved = np.load(tmp_path / "out/best/features.npz")
    assert {name: saved[name].tolist() for name in saved} == {
        "item.group": ["g0", "g1"],
        "user.colour": ["blue", "red"],
    }
    infer.main(["-m", path])
    shutil.copy(folder / "user_attributes.npz", tmp_path / "kept.npz")
    write_features(folder, "user", colour=[["red"], *[["green"]] * 39])
    config = load_settings(path)
    model = GRAPHS["dynamic"]().create_model(config)
    with pytest.raises(UserError, match=r"trained with other values of the user feature colour than .*; prepare the"):
        checkpoint.load(tmp_path / "out/best", model, config)
    shutil.copy(tmp_path / "kept.npz", folder / "user_attributes.npz")
    write_features(folder, "item", group=[[["g0", "g7"][n % 2]] for n in range(2 * GROUPS)])
    with pytest.raises(UserError, match="other values of the item feature group"):
        checkpoint.load(tmp_path / "out/best", model, config)


def test_splits_of_two_data_sets_must_mean_the_same(planted, tmp_path, settings):
    folder = planted(40)
    shutil.copytree(folder, tmp_path / "other")
    config = settings(folder, item_count=2 * GROUPS + 1, user_features=["colour"])
    assert user_features(config.features, tmp_path / "other").row_num == 40
    write_features(tmp_path / "other", "user", colour=[["red"], *[["green"]] * 39])
    with pytest.raises(UserError, match=r"other/user_attributes.npz: colour has other values than in "):
        user_features(config.features, tmp_path / "other")


ASKED = ["red shoes", "hat", "tea pot", ""]
SHELVES, SHELF = 4, 10  # groups of items that a query of their own leads to


@pytest.fixture
def asked(tmp_path, capsys):
    """A log in which the query of a row decides on which shelf its item is found; users change shelves at will."""

    def write(*options, users=250):
        rng = np.random.default_rng(0)
        shelf = rng.integers(0, SHELVES, (users, 10))
        item = shelf * SHELF + np.argsort(rng.random((users, SHELF)), axis=1)
        noise = rng.integers(0, 5, (users, 10))
        rows = [
            f"u{user},i{item[user, n]},{n},please n{noise[user, n]} {ASKED[shelf[user, n]]}"
            for user in range(users)
            for n in range(10)
        ]
        (tmp_path / "log.csv").write_text("user,sku,ts,asked\n" + "\n".join(rows))
        columns = ["--user", "user", "--item", "sku", "--time", "ts", "--query", "asked", "--min-count", "1"]
        preprocess.main(["table", str(tmp_path / "log.csv"), *columns, "--output", str(tmp_path / "data"), *options])
        capsys.readouterr()
        return tmp_path / "data"

    return write


def shelf_of(words):
    return next((n for n, word in enumerate(("red", "hat", "tea")) if word in words), 3)


@pytest.mark.parametrize("protocol", ["comirec", "mind"])
def test_queries_are_those_of_the_events(protocol, asked, settings):
    folder = asked("--protocol", protocol)
    config = settings(folder, item_count=SHELVES * SHELF + 1, query=True, min_history=1, maxlen=5, train_batch_size=32)
    names = read_map(folder / "item_map.csv")
    (words,) = (vocabulary(config.features)[name] for name in ["event.query"])
    assert set(words) == {"please", "red", "shoes", "hat", "tea", "pot", *(f"n{n}" for n in range(5))}

    def check(context, targets):
        token, count = context
        asked = [words[one].tolist() for one in np.split(token, np.cumsum(count)[:-1])]
        assert [shelf_of(one) for one in asked] == [(int(names[target][1:])) // SHELF for target in targets]
        assert all(one[0] == "please" for one in asked)

    for _, target_item, _, *context in open_split("train", config):
        check(context, target_item[:, 0])
    for split in ("valid", "test"):
        for batch in open_split(split, config):
            check(batch.context, batch.target.values[batch.target.offsets[:-1]])


def test_a_query_stands_after_the_features_of_its_user(asked, settings):
    folder = asked(users=40)
    write_features(folder, "user", age=[[str(user)][: user % 2] for user in range(40)], one=[["1"]] * 40)
    count = SHELVES * SHELF + 1
    config = settings(folder, item_count=count, query=True, user_features=["age", "one"], min_history=1)
    texts = np.concatenate([vocabulary(config.features)[name] for name in ("user.age", "user.one", "event.query")])
    for batch in open_split("test", config):
        token, counts = batch.context
        slots = [texts[one].tolist() for one in np.split(token, np.cumsum(counts)[:-1])]
        for row, user in enumerate(batch.user.tolist()):
            age, one, query = slots[3 * row : 3 * row + 3]
            assert (age, one, query[0]) == ([str(user)][: user % 2], ["1"], "please")
    data = open_split("train", config)
    assert [len(one) for one in data.batch(0)[4:]] == [128 * 3]


@pytest.mark.slow
def test_a_query_that_decides_what_comes_is_used(asked, tmp_path, capsys):
    folder = asked()
    hyper = {"model": "mind", "min_history": 4}
    without = recall(write_config(folder, tmp_path, **hyper), tmp_path)
    numbers = [int(name[1:]) for name in read_map(folder / "item_map.csv").values()]
    write_features(folder, "item", shelf=[[f"s{number // SHELF}"] for number in numbers])
    path = write_config(folder, tmp_path, **hyper, query=True, item_features=["shelf"])
    with_query = recall(path, tmp_path)
    assert with_query > without + 0.1
    export.main(["-m", path])
    history = [f"i{n * SHELF}" for n in range(SHELVES)]
    lines = [{"user": n, "history": history, "query": one} for n, one in enumerate(["red shoes", "hat xyz", "tea pot"])]
    (tmp_path / "h").write_text("\n".join(map(json.dumps, [*lines, {"user": 3, "history": history}])))
    capsys.readouterr()
    predict.main([str(tmp_path / "out/export"), str(tmp_path / "h"), "--top_n", "5"])
    found = [json.loads(line)["items"] for line in capsys.readouterr().out.splitlines()]
    for shelf, items in enumerate(found[:3]):
        assert sum(int(item["item"][1:]) // SHELF == shelf for item in items) >= 4
    # A new item is found by the query that leads to its like, in an export that stands alone.
    shutil.move(folder, tmp_path / "away")
    (tmp_path / "new").write_text(json.dumps({"item": "new", "features": {"shelf": "s1"}}))
    add_items.main([str(tmp_path / "new"), "-m", path])
    capsys.readouterr()
    predict.main([str(tmp_path / "out/export"), str(tmp_path / "h"), "--top_n", "12"])
    found = [json.loads(line)["items"] for line in capsys.readouterr().out.splitlines()]
    assert ["new" in [item["item"] for item in items] for items in found[:3]] == [False, True, False]
    (tmp_path / "h").write_text(json.dumps({"user": 1, "history": history, "query": ["hat"]}))
    with pytest.raises(SystemExit):
        predict.main([str(tmp_path / "out/export"), str(tmp_path / "h")])
    assert "h:1: query: ['hat'] is not a text; put it in quotes" in capsys.readouterr().err


@pytest.mark.parametrize("model", [name for name in MODELS if "user_features" not in constructor_options(MODELS[name])])
def test_a_model_without_context_refuses_queries(model, planted, tmp_path):
    path = write_config(planted(40), tmp_path, model=model)
    with pytest.raises(UserError, match=f"hyper_parameters.query: does not apply to the model {model}; remove it"):
        load_settings(path, ["hyper_parameters.query=true"], MODELS)


def test_a_data_set_without_queries_says_so(planted, asked, settings, tmp_path):
    config = settings(planted(40), item_count=2 * GROUPS + 1, query=True)
    with pytest.raises(UserError, match=r"hyper_parameters.query: .*train/query.npz does not exist"):
        vocabulary(config.features)


def test_queries_that_do_not_fit_their_split_are_refused(asked, settings):
    folder = asked(users=40)
    shutil.copy(folder / "valid/query.npz", folder / "test/query.npz")
    with open(folder / "test/interactions.csv", "a") as file:
        file.write("99,1,5\n99,2,6\n")
    config = settings(folder, item_count=SHELVES * SHELF + 1, query=True)
    with pytest.raises(UserError, match=r"test/query.npz: 40 queries for 42 interactions; prepare again"):
        open_split("test", config)


@pytest.mark.parametrize("option", ["item_features=[colour]", "user_features=[colour]", "query=true"])
def test_features_of_a_data_set_that_has_none_are_refused(option, tiny_config, capsys):
    message = refused(trainer.main, capsys, ["-m", str(tiny_config), "-o", f"hyper_parameters.{option}"])
    assert message.endswith("does not exist; this data set has no such features: remove the key")
