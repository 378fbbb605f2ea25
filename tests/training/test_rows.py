"""Training that starts from the checkpoint of a smaller or another data set: each row is the item's own."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
import pytest
from registry import GRADIENT

import infer
import trainer
from reader import RecDataset
from tools.common import checksums, unpickle
from tools.common.errors import UserError
from tools.config.load import Config
from tools.config.schema import HyperParameters, Optimizer, Runner
from tools.data import identity
from tools.data.dataset import read_map
from tools.preprocess import main
from tools.training import checkpoint, resume, rows
from tools.training.static import GRAPHS

COLUMNS = [word for name in ("user", "item", "time") for word in (f"--{name}", name)]
SPLITS = ("train", "valid", "test")
TABLE = "item_table.weight"


def write(path, items, users, value):
    """A log in which each item has one shop."""
    rng = np.random.default_rng(3)
    lines = [
        f"u{user},i{item},{time},{value(item)}"
        for user in range(users)
        for time, item in enumerate(rng.permutation(items)[:14])
    ]
    path.write_text("\n".join(["user,item,time,shop", *lines]))
    return str(path)


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """`one` with 20 items, `two`, which goes on from it with 30, and `other`, of 26 items, numbered on its own."""
    folder = tmp_path_factory.mktemp("days")

    def shop(item):  # of the 10 new items 3 are of a known shop, 4 of one whose name comes first, 3 of none
        return f"s{item % 4}" if item < 23 else ("a new one" if item < 27 else "")

    logs = [write(folder / f"{items}.csv", items, users, shop) for items, users in ((20, 40), (30, 60), (26, 50))]
    for log, name, more in zip(logs, ("one", "two", "other"), ([], ["--extend", str(folder / "one")], []), strict=True):
        main(["table", log, *COLUMNS, "--category", "shop", "--output", str(folder / name), *more])
    return folder


def config(folder, items, runner=(), **hyper):
    splits = {f"{name}_data_dir": str(folder / name) for name in SPLITS}
    hyper = {"item_count": items + 1, "embedding_dim": 8, "maxlen": 6, "neg_samples": 7, **hyper}
    return Config(Runner(train_batch_size=4, **splits, **dict(runner)), HyperParameters(**hyper))


def build(settings, steps=100):
    """A model that was trained three steps, its optimizer and its data."""
    paddle.seed(settings.runner.seed)
    graph = GRAPHS[settings.runner.graph]()
    data = RecDataset([f"{settings.runner.train_data_dir}/interactions.csv"], settings)
    model = graph.create_model(settings)
    return graph, model, graph.create_optimizer(model, settings, steps), data


def train(graph, model, optimizer, data, steps=range(3)):
    model.train()
    for step in steps:
        graph.train_forward(model, data.batch(step)).backward()
        optimizer.step()
        optimizer.clear_grad()


def save(path, settings):
    parts = build(settings)
    train(*parts)
    _, model, optimizer, _ = parts
    checkpoint.save(
        path, model, optimizer, settings, {}, identity.read_identity(resume.agreement.runner_splits(settings))
    )
    return unpickle.read(path / "rec.pdparams"), unpickle.read(path / "rec.pdopt")


def sources(days, before, after):
    """Of each row of the new table the old one by the items' own ids, -1 for none."""
    old = {name: item for item, name in read_map(days / before / "item_map.csv").items()}
    return np.array([0, *(old.get(name, -1) for name in read_map(days / after / "item_map.csv").values())])


@pytest.mark.parametrize(
    "name, graph", [*((name, "dynamic") for name in GRADIENT), ("mind", "static"), ("comirec_sa", "static")]
)
def test_each_item_keeps_row_and_moments(name, graph, days, tmp_path):
    runner = {"graph": graph}
    saved, kept = save(tmp_path / "one", config(days / "one", 20, runner, model=name))
    settings = config(days / "two", 30, runner, model=name)
    parts = build(settings)
    checkpoint.load(tmp_path / "one", parts[1], settings, parts[2], going_on=True)
    source = sources(days, "one", "two")
    assert source[:21].tolist() == list(range(21))
    new = source < 0
    table = parts[1].item_table.weight.numpy()
    np.testing.assert_array_equal(table[~new], saved[TABLE][source[~new]])
    assert not table[0].any()
    assert np.abs(table[new].std() / saved[TABLE][1:].std() - 1) < 0.4
    for key, value in parts[1].state_dict().items():
        if key != TABLE:
            np.testing.assert_array_equal(value.numpy(), saved[key])
    batch = parts[3].batch(0)
    train(*parts, steps=range(1))
    moments = checkpoint._rename(parts[2].state_dict(), checkpoint._names(parts[1]))
    changed = (parts[1].item_table.weight.numpy() != table).any(axis=1)
    assert set(np.unique(batch[1])) - {0} <= set(np.flatnonzero(changed))
    for end in ("moment1_0", "moment2_0"):
        found, before = moments[f"{TABLE}_{end}"].numpy(), kept[f"{TABLE}_{end}"]
        np.testing.assert_array_equal(found[~changed & ~new], before[source[~changed & ~new]])
        assert not found[~changed & new].any()
        assert before.any()
    power = f"{TABLE}_beta1_pow_acc_0"
    assert moments[power].item() == pytest.approx(kept[power].item() * 0.9, rel=1e-5)


def test_new_items_begin_from_features_and_values_keep_their_rows(days, tmp_path, caplog):
    hyper = {"item_features": ["shop"], "optimizer": Optimizer(class_="RowWiseAdagrad", decay="linear")}
    saved, kept = save(tmp_path / "one", config(days / "one", 20, **hyper))
    settings = config(days / "two", 30, **hyper)
    graph, model, optimizer, data = build(settings)
    caplog.set_level(logging.INFO)
    checkpoint.load(tmp_path / "one", model, settings, optimizer, going_on=True)
    told = (
        "rows of 20 items taken over by their own ids, with their moments; 3 new ones begin from features, 7 from the"
    )
    assert told in caplog.text
    assert "features.table.weight: rows of 4 values taken over by their text, 1 are new" in caplog.text
    values = model.item_table.features.table.weight.numpy()
    before = saved["item_table.features.table.weight"]
    np.testing.assert_array_equal(values[1:], before)  # "a new one" comes first, and nothing else moves
    names = read_map(days / "two/item_map.csv")
    for item, name in names.items():
        number = int(name[1:])
        own, shop = model.item_table.weight.numpy()[item], before[number % 4]
        if 20 <= number < 23:
            np.testing.assert_allclose(own, shop, rtol=1e-6)
            row = model.item_table(paddle.to_tensor([item])).numpy()[0]
            np.testing.assert_allclose(row, shop, rtol=1e-6)
        elif number >= 23:
            assert np.abs(own - before).max(axis=1).min() > 0.01
    assert optimizer.get_lr() == settings.hyper_parameters.optimizer.learning_rate  # this run's first step
    train(graph, model, optimizer, data, range(1))
    moments = checkpoint._rename(optimizer.state_dict(), checkpoint._names(model))
    assert moments[f"{TABLE}_moment_0"].shape == [31, 1]
    assert moments["item_table.features.table.weight_moment_0"].numpy()[1:].min() > 0
    assert kept["item_table.features.table.weight_moment_0"].shape == (4, 1)


def test_rows_by_the_maps_of_both(days, tmp_path, caplog):
    saved, _ = save(tmp_path / "two", config(days / "two", 30))
    settings = config(days / "other", 26, {"init_by": "original_id", "model_init_path": str(tmp_path / "two")})
    _, model, optimizer, _ = build(settings)
    plain = replace(settings, runner=replace(settings.runner, init_by="id"))
    with pytest.raises(UserError, match=r"an id means another item there; .* or set runner.init_by to original_id$"):
        checkpoint.load(tmp_path / "two", model, plain, optimizer, going_on=True)
    caplog.set_level(logging.INFO)
    checkpoint.load(tmp_path / "two", model, settings, optimizer, going_on=True)
    source = sources(days, "two", "other")
    assert (source != np.arange(27)).any()
    np.testing.assert_array_equal(model.item_table.weight.numpy(), saved[TABLE][source])
    assert "its training users may be test users here, and figures too good" in caplog.text
    assert "26 items taken over" in caplog.text
    assert "4 items of the checkpoint are no more" in caplog.text


def test_a_smaller_data_set_or_evaluation_is_no_going_on(days, tmp_path):
    save(tmp_path / "two", config(days / "two", 30))
    for settings in (config(days / "one", 20), config(days / "one", 30)):
        for going_on in (True, False):
            with pytest.raises(UserError, match=r"trained (on|with)"):
                checkpoint.load(tmp_path / "two", build(settings)[1], settings, going_on=going_on)
    save(tmp_path / "one", config(days / "one", 20))
    settings = config(days / "two", 30)
    with pytest.raises(UserError, match=r"trained with hyper_parameters\.item_count: 21"):
        checkpoint.load(tmp_path / "one", build(settings)[1], settings)


def test_rows_past_the_items_are_nobody_s(days, tmp_path):
    """A table may have more rows than its data set has items: those are no rows of the items that came since."""
    save(tmp_path / "one", config(days / "one", 28))
    settings = config(days / "two", 33)
    found = rows.find(tmp_path / "one", settings, tmp_path / "none")
    assert found.source[TABLE].tolist() == [*range(21), *[-1] * 13]
    assert (found.new, found.left) == (10, 0)


def test_the_map_goes_along_and_is_looked_for_where_it_was(days, tmp_path, caplog):
    data = shutil.copytree(days / "one", tmp_path / "data")
    save(tmp_path / "one", config(data, 20))
    path = tmp_path / "one/item_map.csv"
    assert path.read_bytes() == (data / "item_map.csv").read_bytes()
    settings = config(days / "two", 30)
    shutil.rmtree(data)
    assert rows.find(tmp_path / "one", settings, tmp_path / "none").new == 10
    path.unlink()
    with pytest.raises(
        UserError, match=r"no item_map.csv here, and none of item map \w+ in \S+data; put back the data"
    ):
        rows.find(tmp_path / "one", settings, tmp_path / "none")
    shutil.copytree(days / "one", data)
    assert rows.find(tmp_path / "one", settings, tmp_path / "none").new == 10
    origin = identity.read(tmp_path / "one")
    shutil.copytree(days / "two", data, dirs_exist_ok=True)  # the next data set took its place while a run trained
    parts = build(config(days / "one", 20))
    checkpoint.save(tmp_path / "late", parts[1], None, config(days / "one", 20), {}, origin)
    assert not (tmp_path / "late/item_map.csv").exists()
    assert "was replaced since training began; the checkpoint goes without it" in caplog.text


def test_maps_that_are_missing_are_named(days, tmp_path):
    save(tmp_path / "one", config(days / "one", 20))
    (tmp_path / "one/identity.json").unlink()
    checksums.write(tmp_path / "one")
    settings = config(days / "one", 20, {"init_by": "original_id", "model_init_path": "one"})
    with pytest.raises(UserError, match=r"needs the item maps of both: \S+one does not say its item map"):
        checkpoint.load(tmp_path / "one", build(settings)[1], settings, going_on=True)


@pytest.fixture
def yaml(days, tmp_path):
    def write(name, items, model):
        path = tmp_path / f"{name}-{model}.yaml"
        dirs = ", ".join(f"{split}_data_dir: {days / name / split}" for split in SPLITS)
        path.write_text(
            f"runner: {{{dirs}, epochs: 1, train_batch_size: 64, top_n: [5], best_metric: recall@5}}\n"
            f"hyper_parameters: {{item_count: {items + 1}, model: {model}}}\n"
        )
        return path

    return write


def test_a_day_from_the_command_line(yaml, days, tmp_path, caplog):
    small = "hyper_parameters.embedding_dim=4"
    trainer.main(["-m", str(yaml("one", 20, "mind")), "-o", small, f"runner.model_save_path={tmp_path}/1"])
    caplog.clear()
    second = ["-m", str(yaml("two", 30, "mind")), "-o", small, f"runner.model_save_path={tmp_path}/2"]
    trainer.main([*second, f"runner.model_init_path={tmp_path}/1/best"])
    assert "1/best: rows of 20 items taken over by their own ids" in caplog.text
    carried = json.loads((tmp_path / "2/best/identity.json").read_text())
    assert carried["bases"] == [identity.map_digest(days / "one")]
    infer.main(second)
    with pytest.raises(SystemExit):  # the day-1 model knows no new item
        infer.main([*second, f"runner.infer_load_path={tmp_path}/1"])


def test_a_model_that_is_fitted_at_once_is_fitted_anew(yaml, days, tmp_path, caplog):
    trainer.main(["-m", str(yaml("one", 20, "most_pop")), "-o", f"runner.model_save_path={tmp_path}/1"])
    caplog.clear()
    options = [f"runner.model_save_path={tmp_path}/2", f"runner.model_init_path={tmp_path}/1/best"]
    trainer.main(["-m", str(yaml("two", 30, "most_pop")), "-o", *options])
    assert f"1/best: most_pop takes nothing over from it, it is fitted anew on all of {days / 'two'}" in caplog.text
    assert any(one.startswith("fit most_pop: ") and one.endswith(" s") for one in caplog.messages)
    counts = unpickle.read(Path(tmp_path / "2/best/rec.pdparams"))[TABLE].ravel()
    data = RecDataset([f"{days}/two/train/interactions.csv"], config(days / "two", 30))
    assert counts.tolist() == data.item_counts().tolist()


def test_values_are_found_by_their_text():
    before = {"user.age": np.array(["b", "a"]), "event.query": np.array(["x", "y"]), "item.shop": np.array(["s"])}
    now = {
        "item.shop": np.array(["s"]),
        "user.age": np.array(["a", "b", "c"]),
        "event.query": np.array(["0", "y", "z"]),
    }
    assert rows._values(before, now, ("user.", "event.")).tolist() == [1, 0, -1, -1, 3, -1]
    assert rows._values(before, now, ("item.",)) is None
    assert rows._values(before | {"user.age": np.zeros(0)}, now, ("user.", "event.")).tolist() == [-1] * 4 + [1, -1]
    assert rows._values(before, {"user.age": np.zeros(0, str)}, ("user.",)).tolist() == [-1]
