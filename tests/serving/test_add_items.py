"""Items that nobody has met: added to an export by their features, recommended, and part of histories."""

import json
import shutil

import numpy as np
import paddle
import pytest
import yaml
from datasets import write_features

import trainer
from models import MODELS
from tools import add_items, export, predict
from tools.config.load import constructor_options
from tools.data.dataset import read_map
from tools.serving import grow
from tools.serving.predictor import Predictor

pytestmark = pytest.mark.slow

GROUPS, SIZE = 4, 10  # groups of items that are met together
WITH_FEATURES = ["mind", "two_tower"]


@pytest.fixture
def dataset(write_dataset):
    """Users each of one group; the kind of an item is its group, its marks say nothing."""
    rng = np.random.default_rng(0)
    users = {
        f"u{user}": [f"i{user % GROUPS * SIZE + item}" for item in rng.permutation(SIZE)[:8]] for user in range(200)
    }
    folder = write_dataset(users)
    numbers = [int(name[1:]) for name in read_map(folder / "item_map.csv").values()]
    kinds = [[f"k{number // SIZE}"] if number % SIZE else [] for number in numbers]
    write_features(folder, "item", kind=kinds, mark=[["a", "b"][: number % 3] for number in numbers])
    write_features(folder, "user", colour=[["red"]] * 200)
    return folder


@pytest.fixture
def exported(dataset, tmp_path):
    """`exported(model="mind", …)`: the configuration of an exported model, which has learnt something in 12 epochs."""

    def build(epochs=1, **hyper):
        runner = {f"{split}_data_dir": str(dataset / split) for split in ("train", "valid", "test")}
        runner |= {"model_save_path": str(tmp_path / "out"), "epochs": epochs, "train_batch_size": 32, "top_n": [10]}
        hyper = {"model": "mind", "embedding_dim": 16, "maxlen": 8, "min_history": 2, "neg_samples": 40} | hyper
        hyper |= {"item_count": GROUPS * SIZE + 1, "optimizer": {"learning_rate": 0.02}}
        path = str(tmp_path / "config.yaml")
        with open(path, "w") as file:
            json.dump({"runner": runner | {"best_metric": "recall@10"}, "hyper_parameters": hyper}, file)
        trainer.main(["-m", path])
        export.main(["-m", path])
        return path

    return build


def write_lines(path, *rows):
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return str(path)


def answers(tmp_path, capsys, *histories, top_n=15, **more):
    lines = [{"user": n, "history": history, **more} for n, history in enumerate(histories)]
    path = write_lines(tmp_path / "h.jsonl", *lines)
    capsys.readouterr()
    predict.main([str(tmp_path / "out/export"), path, "--top_n", str(top_n)])
    found = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert not any(one["unknown"] for one in found)
    return [[item["item"] for item in one["items"]] for one in found]


@pytest.mark.slow
@pytest.mark.parametrize("model", WITH_FEATURES)
def test_new_items_are_recommended_to_those_who_like_their_kind(model, exported, tmp_path, capsys):
    path = exported(12, model=model, item_features=["kind", "mark"], user_features=["colour"])
    likes = [[f"i{group * SIZE + n}" for n in range(1, 6)] for group in range(GROUPS)]
    before = answers(tmp_path, capsys, *likes, top_n=40)
    new = [{"item": f"new{group}", "features": {"kind": [f"k{group}"], "price": 3}} for group in range(3)]
    add_items.main([write_lines(tmp_path / "new", *new), "-m", path])
    assert "3 items added to" in (out := capsys.readouterr().out)
    assert f"as {GROUPS * SIZE + 1} to {GROUPS * SIZE + 3}; 0 unknown values skipped" in out
    lists = answers(tmp_path, capsys, *likes)
    for group, found in enumerate(lists):
        assert {item for item in found[:SIZE] if item[:3] == "new"} <= {f"new{group}"}  # the rest is other groups'
        assert group == 3 or f"new{group}" in found
    # Nothing that was there has moved.
    again = answers(tmp_path, capsys, *likes, top_n=43)
    assert [[item for item in one if item[:3] != "new"] for one in again] == before
    # In a history it stands for its kind, beside others and alone.
    for group, found in enumerate(answers(tmp_path, capsys, *([f"new{group}"] for group in range(3)), top_n=8)):
        assert len(set(found) & {f"i{group * SIZE + n}" for n in range(SIZE)}) >= 5  # 2 by chance
    # A second time, by the export alone: the data set and the checkpoints are gone.
    for one in (tmp_path / "data", tmp_path / "out/best", *tmp_path.glob("out/[0-9]*")):
        shutil.rmtree(one)
    late = {"item": 77, "features": {"kind": ["k3", "k99"], "mark": "b"}}
    add_items.main([write_lines(tmp_path / "late", late), "-m", path])
    assert f"1 items added to {tmp_path / 'out/export'} as 44 to 44; 1 unknown values" in capsys.readouterr().out
    lists = answers(tmp_path, capsys, *likes, top_n=20)
    assert "77" in lists[3]
    assert all(f"new{group}" in lists[group] for group in range(3))


def test_an_approximate_index_keeps_its_kind(exported, tmp_path, capsys):
    path = exported(4, item_features=["kind"])
    export.main(["-m", path, "-o", "runner.index=hnsw", "runner.index_search=efSearch=99"])
    before = Predictor(folder=tmp_path / "out/export").retriever.index
    add_items.main([write_lines(tmp_path / "new", {"item": "x", "features": {"kind": ["k1"]}}), "-m", path])
    after = Predictor(folder=tmp_path / "out/export").retriever.index
    assert type(after) is type(before)
    assert (after.ntotal, after.hnsw.efSearch) == (before.ntotal + 1, 99)
    vectors = np.load(tmp_path / "out/export/item_vectors.npy")
    np.testing.assert_array_equal(after.reconstruct_n(0, after.ntotal), vectors[1:])
    assert "x" in answers(tmp_path, capsys, ["i11", "i12", "i13"])[0]


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_a_new_row_is_the_mean_of_its_features(similarity, exported, tmp_path, capsys):
    path = exported(item_features=["mark", "kind"], similarity=similarity)
    folder = tmp_path / "out/export"
    np.save(folder / "item_category.npy", np.arange(GROUPS * SIZE + 1, dtype=np.int32))
    before = {name: (folder / name).read_bytes() for name in ("item_vectors.npy", "item_map.csv")}
    vectors = np.load(folder / "item_vectors.npy")
    new = [
        {"item": "x", "features": {"kind": ["k2"], "mark": ["a", "b"]}},
        {"item": 'y,"', "features": {"mark": ["b", "never seen"], "brand": ["z"]}},
    ]
    add_items.main([write_lines(tmp_path / "new", *new), "-m", path])
    state = paddle.load(str(folder / "rec.pdparams"))
    value = state["item_table.features.table.weight"].numpy()  # a, b, k0 … k3
    rows = np.stack([((value[0] + value[1]) / 2 + value[4]) / 2, value[1]])
    np.testing.assert_allclose(state["item_table.weight"].numpy()[-2:], rows, rtol=1e-5, atol=1e-6)
    expected = rows / np.linalg.norm(rows, axis=1, keepdims=True) if similarity == "cosine" else rows
    grown = np.load(folder / "item_vectors.npy")
    np.testing.assert_array_equal(grown[:-2], vectors)
    np.testing.assert_allclose(grown[-2:], expected, rtol=1e-5, atol=1e-6)
    predictor = Predictor(folder=folder)
    assert predictor.item_num == len(grown) - 1 == GROUPS * SIZE + 2
    np.testing.assert_array_equal(predictor.retriever.index.reconstruct_n(0, len(grown) - 1), grown[1:])
    assert np.load(folder / "item_category.npy")[-3:].tolist() == [GROUPS * SIZE, -1, -1]
    assert (folder / "item_map.csv").read_bytes() == before["item_map.csv"] + b'41,x\n42,"y,"""\n'
    resolved = yaml.safe_load((folder / "config.yaml").read_text())
    assert resolved["hyper_parameters"]["item_count"] == GROUPS * SIZE + 3
    assert resolved["runner"]["train_data_dir"] == str(tmp_path / "data/train")
    own = Predictor(folder=folder).embed(np.array([[41] + [0] * 7]), np.array([1]))[0]
    assert np.isfinite(own).all()


def test_what_is_no_new_item_is_refused_line_by_line(exported, tmp_path, capsys):
    path = exported(item_features=["kind", "mark"])
    folder = tmp_path / "out/export"
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    lines = write_lines(
        tmp_path / "new",
        {"item": "fine", "features": {"kind": "k1"}},
        {"item": "i7", "features": {"kind": ["k1"]}},
        "\n",
        {"item": "fine", "features": {"kind": ["k2"]}},
        {"item": "bare"},
        {"item": "strange", "features": {"kind": ["k17"], "brand": ["x"]}},
        '{"item": "half", \n',
        {"item": None, "features": {}},
        {"item": "wrong", "features": ["k1"]},
        {"item": "nested", "features": {"kind": [["k1"]]}},
    )
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        add_items.main([lines, "-m", path])
    assert end.value.code == 2
    errors = capsys.readouterr().err.splitlines()
    wanted = "has neither clicks nor a feature that the model knows; give it one of kind, mark"
    expected = [
        "2: item 'i7' is known already; remove the line",
        "4: item 'fine' stands on line 1 too; remove the line",
        f"5: item 'bare' {wanted}",
        f"6: item 'strange' {wanted}",
        '7: \'{"item": "half",\' is not a line like {',
        '8: \'{"item": null, "features": {}}\' is not a line like {',
        "9: features: \"['k1']\" is not like {",
        "10: features: \"{'kind': [['k1']]}\" is not like {",
    ]
    assert len(errors) == len(expected)
    for error, start in zip(errors, expected, strict=True):
        assert error.removeprefix("error: ").strip().startswith(f"{lines}:{start}"), error
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == before
    fails(capsys, path, write_lines(tmp_path / "empty"), "empty: no items; give JSON lines like {")


def test_a_table_gives_what_json_lines_give_and_a_wrong_file_is_one_line(exported, tmp_path, capsys):
    path = exported(item_features=["kind", "mark"])
    shutil.copytree(tmp_path / "out/export", tmp_path / "second")
    new = [
        {"item": "x", "features": {"kind": ["k2"], "mark": ["a", "b"]}},
        {"item": 'y,"', "features": {"mark": ["b", "new"]}},
    ]
    add_items.main([write_lines(tmp_path / "new", *new), "-m", path])
    table = 'price,sku,kind,mark\n3,x,k2,a;b\n,"y,""",,b; new\n'
    rows = write_lines(tmp_path / "new.csv", table)
    options = ["--output", str(tmp_path / "second"), "--item", "sku", "--attributes", "kind", "mark|;"]
    add_items.main([rows, "-m", path, *options])
    assert "2 items added" in capsys.readouterr().out
    for name in ("item_map.csv", "item_vectors.npy"):
        assert (tmp_path / "second" / name).read_bytes() == (tmp_path / "out/export" / name).read_bytes()
    wrong = write_lines(tmp_path / "wrong", *["sku,kind\n"] * 501)
    fails(capsys, path, wrong, "and so on: none of the 501 lines is a new item; a table is read from a name that ends")
    fails(capsys, path, rows, "the header has price, sku, kind, mark, not 'item'")
    fails(
        capsys,
        path,
        rows,
        "'price' is no feature of the model, which knows kind, mark",
        "--item",
        "sku",
        "--attributes",
        "price",
    )
    fails(capsys, path, write_lines(tmp_path / "c.csv", "item,colour\nz,red\n"), "no column is a feature of the model")
    fails(capsys, path, write_lines(tmp_path / "d.csv", "item,kind\nz\n"), "d.csv:2: 1 fields; the header has 2")
    fails(capsys, path, write_lines(tmp_path / "e.csv", "item,kind\n"), "no items; give rows below a header")
    fails(capsys, path, wrong, "--item and --attributes are of CSV", "--item", "sku")
    many = "".join(f"i1,k{n}\n" for n in range(30))
    rows = write_lines(tmp_path / "f.csv", f"item,kind\nfine,k1\n{many}")
    with pytest.raises(SystemExit):
        add_items.main([rows, "-m", path])
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 21
    assert told[-1].strip() == "and 10 lines more"


def fails(capsys, path, lines, message, *options):
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        add_items.main([lines, "-m", path, *options])
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize("model", WITH_FEATURES)
def test_a_model_of_ids_alone_cannot_take_new_items(model, exported, tmp_path, capsys):
    assert "item_features" in constructor_options(MODELS[model])
    path = exported(model=model)
    lines = write_lines(tmp_path / "new", {"item": "x", "features": {"kind": ["k1"]}})
    message = f"its model, {model}, was trained on ids alone, which say nothing of new items; set hyper_parameters."
    fails(capsys, path, lines, message + "item_features and train again")


def test_an_interruption_leaves_the_export_as_it_was(exported, tmp_path, monkeypatch):
    path = exported(item_features=["kind"])
    before = {one.name: one.read_bytes() for one in (tmp_path / "out/export").iterdir()}

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(grow, "write_vectors", interrupted)
    lines = write_lines(tmp_path / "new", {"item": "x", "features": {"kind": ["k1"]}})
    with pytest.raises(SystemExit) as end:
        add_items.main([lines, "-m", path])
    assert end.value.code == 130
    assert {one.name: one.read_bytes() for one in (tmp_path / "out/export").iterdir()} == before
    assert not list(tmp_path.glob("out/.export*"))
