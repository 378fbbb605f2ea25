"""An exported folder gives what the model and infer.py give, and nothing but serving is needed for it."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import paddle
import pytest
import yaml
from datasets import histories_of_test, write_features
from messages import without_log
from paths import ROOT
from registry import training_items
from towers import CASES, check_outputs, eager

import infer
from models import MODELS
from tools import export, predict
from tools.common import checksums
from tools.data.dataset import data_files, read_evaluation, read_map, read_sequences
from tools.retrieval.retriever import Retriever
from tools.serving import exporter, user_tower
from tools.serving.exported import NEEDED
from tools.serving.predictor import Predictor
from tools.training import checkpoint
from tools.training.dygraph import DygraphModel

V, D, T = 61, 8, 6  # rows of the table, size, longest history
FOLDER = {"identity.json", *NEEDED, "item_vectors.npy", "index.faiss", "item_counts.npy", "SHA256SUMS"}
SOLVED = [pytest.param(name, {}, marks=pytest.mark.extras) for name, model in MODELS.items() if not model.has_onnx]


@pytest.fixture
def trained(tmp_path, settings):
    """`trained(folder, model="mind", …)`: a configuration whose best checkpoint holds random weights."""

    def build(folder=None, **values):
        values = {"item_count": V, "embedding_dim": D, "maxlen": T, "neg_samples": 20, "top_n": [20], **values}
        config = settings(folder or tmp_path, model_save_path=str(tmp_path / "out"), best_metric="recall@20", **values)
        paddle.seed(3)
        graph = DygraphModel()
        model = graph.create_model(config)
        if hasattr(model, "fit"):
            model.fit(training_items(V))
        else:
            model.item_table.weight.set_value(model.item_table.weight * 5)  # interests that differ
        checkpoint.save(tmp_path / "out/best", model, graph.create_optimizer(model, config, 1), config, {})
        model.eval()
        return config, model

    return build


@pytest.fixture
def dataset(write_dataset):
    """60 users of 15 to 30 of 60 items, with names that CSV must quote."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(15, 30, 60)
    sequences = {f"u{n}": [f'i,"{item}"' for item in rng.permutation(60)[:k]] for n, k in enumerate(lengths)}
    return write_dataset(sequences)


def histories(users, seed=0):
    rng = np.random.default_rng(seed)
    seq_len = rng.integers(1, T + 1, users)
    return np.where(np.arange(T) < seq_len[:, None], rng.integers(1, V, (users, T)), 0), seq_len


@pytest.mark.parametrize("name, options", [*CASES, *SOLVED])
def test_the_exported_tower_is_the_model(name, options, trained, tmp_path):
    config, model = trained(model=name, **options)
    exporter.export(config, tmp_path / "export")
    predictor = Predictor(folder=tmp_path / "export")
    for users in (1, 7, 1):
        hist_item, seq_len = histories(users, seed=users)
        outputs = predictor.route(hist_item, seq_len)
        check_outputs(outputs, eager(model, hist_item, seq_len))
        assert outputs[2].shape == (users, model.interest_num, T)
        for one, other in zip(predictor.embed(hist_item, seq_len), outputs, strict=False):
            np.testing.assert_array_equal(one, other)
    if model.gives_scores:
        assert predictor.vectors is None
        assert not {"item_vectors.npy", "index.faiss"} & {path.name for path in (tmp_path / "export").iterdir()}
    else:
        np.testing.assert_array_equal(predictor.vectors, model.item_vectors().numpy())


def test_the_folder_holds_what_serving_needs_and_no_more(trained, dataset, tmp_path):
    config, _ = trained(dataset)
    exporter.export(config, tmp_path / "export")
    assert {path.name for path in (tmp_path / "export").iterdir()} == FOLDER | {"item_map.csv", "user_map.csv"}
    trained_on = read_sequences(data_files(dataset / "train"), V).items.values
    assert np.load(tmp_path / "export/item_counts.npy").tolist() == np.bincount(trained_on, minlength=V).tolist()
    np.save(dataset / "item_category.npy", np.zeros(V, np.int32))
    (dataset / "category_map.csv").write_text("category,name\n0,all\n")
    exporter.export(config, tmp_path / "export")
    names = {"item_map.csv", "user_map.csv", "item_category.npy", "category_map.csv"}
    assert {path.name for path in (tmp_path / "export").iterdir()} == FOLDER | names
    resolved = yaml.safe_load((tmp_path / "export/config.yaml").read_text())
    assert resolved["hyper_parameters"]["item_count"] == V
    assert resolved["hyper_parameters"]["routing_times"] == 3
    saved = sum(value.size for key, value in paddle.load(str(tmp_path / "out/best/rec.pdparams")).items())
    assert (tmp_path / "export/user_tower.pdiparams").stat().st_size < 4 * saved + 2000  # weights and no moments


@pytest.mark.parametrize("filter_seen", [True, False])
@pytest.mark.parametrize("dynamic", [True, False])
def test_predict_gives_the_lists_of_infer(dynamic, filter_seen, trained, dataset, tmp_path, capsys):
    trained(dataset, filter_seen=filter_seen, dynamic_interest_num=dynamic, infer_batch_size=4)
    best = str(tmp_path / "out/best/config.yaml")
    infer.main(["-m", best, "--recommend", str(tmp_path / "table.csv")])
    export.main(["-m", best])
    names, text = histories_of_test(dataset, V)
    (tmp_path / "test.jsonl").write_text(text)
    capsys.readouterr()
    predict.main([str(tmp_path / "out/export"), str(tmp_path / "test.jsonl"), "--top_n", "20"])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["user"] for one in found] == names
    rows = [(one["user"], rank, *item.values()) for one in found for rank, item in enumerate(one["items"], 1)]
    with open(tmp_path / "table.csv", newline="") as file:
        expected = [(user, int(rank), *rest) for user, rank, *rest in list(csv.reader(file))[1:]]
    assert len(rows) == len(expected) == 20 * len(found)
    assert [row[:3] for row in rows] == [row[:3] for row in expected]
    np.testing.assert_allclose([row[3] for row in rows], [float(row[3]) for row in expected], rtol=1e-5)
    assert [row[4] for row in rows] == [int(row[4]) for row in expected]


@pytest.fixture
def with_profiles(dataset):
    """The data set with features of its items and, for most, of its users; a profile of each user, as JSON says it."""
    rng = np.random.default_rng(1)
    profiles = [
        {"likes": [f"l{n}" for n in rng.integers(0, 5, user % 4)], "age": [f"{user % 7}"]} for user in range(60)
    ]
    profiles[:5] = [{"likes": [], "age": []}] * 5
    write_features(dataset, "user", **{name: [one[name] for one in profiles] for name in ("age", "likes")})
    write_features(dataset, "item", brand=[[f"b{n % 9}"] * (n % 3) for n in range(60)])
    return dataset, profiles


FEATURES = {"user_features": ["likes", "age"], "item_features": ["brand"]}


@pytest.mark.parametrize("name", sorted({"mind", "comirec_sa", "two_tower", "youtube_dnn"} & MODELS.keys()))
def test_predict_gives_the_lists_of_infer_to_users_with_profiles(name, trained, with_profiles, tmp_path, capsys):
    dataset, profiles = with_profiles
    trained(dataset, model=name, infer_batch_size=4, filter_seen=True, **FEATURES)
    best = str(tmp_path / "out/best/config.yaml")
    infer.main(["-m", best, "--recommend", str(tmp_path / "table.csv")])
    export.main(["-m", best])
    extra = {"user_attributes.npz", "user_features.npy", "item_attributes.npz", "rec.pdparams"}
    assert {path.name for path in (tmp_path / "out/export").iterdir()} == FOLDER | extra | {
        "item_map.csv",
        "user_map.csv",
    }
    held = np.load(tmp_path / "out/export/user_attributes.npz")
    assert held["likes.offsets"].tolist() == [0]  # values, and nothing of who has them
    shutil.move(dataset, tmp_path / "away")
    data, _ = read_evaluation([str(tmp_path / "away/test/interactions.csv")], V)
    items, users = (read_map(tmp_path / f"away/{kind}_map.csv") for kind in ("item", "user"))
    lines = [
        {"user": users[user], "history": [items[item] for item in data.history.take([row]).values]}
        | {"profile": {**profiles[user], "likes": [*profiles[user]["likes"], "never seen"]}}
        for row, user in enumerate(data.users.tolist())
    ]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, lines)))
    capsys.readouterr()
    predict.main([str(tmp_path / "out/export"), str(tmp_path / "test.jsonl"), "--top_n", "20"])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    rows = [(one["user"], rank, *item.values()) for one in found for rank, item in enumerate(one["items"], 1)]
    with open(tmp_path / "table.csv", newline="") as file:
        expected = [(user, int(rank), *rest) for user, rank, *rest in list(csv.reader(file))[1:]]
    assert len(rows) == len(expected) == 20 * len(found)
    assert [row[:3] for row in rows] == [row[:3] for row in expected]
    np.testing.assert_allclose([row[3] for row in rows], [float(row[3]) for row in expected], rtol=1e-4)


def test_profiles_are_optional_and_checked(trained, with_profiles, tmp_path, capsys):
    config, _ = trained(with_profiles[0], **FEATURES)
    exporter.export(config, tmp_path / "export")
    history = ['i,"1"', 'i,"2"']
    same = [
        {},
        {"profile": {}},
        {"profile": None},
        {"profile": {"age": []}},
        {"profile": {"age": ["99"], "likes": "l9"}},
    ]
    known = [{"profile": {"age": 3}}, {"profile": {"age": ["3"], "likes": []}}, {"profile": {"age": "3"}}]
    lines = [json.dumps({"user": n, "history": history} | more) for n, more in enumerate(same + known)]
    (tmp_path / "h").write_text("\n".join(lines))
    found = [json.loads(line)["items"] for line in printed(capsys, tmp_path / "export", tmp_path / "h").splitlines()]
    for one, other in [(one, found[0]) for one in found[1:5]] + [(one, found[5]) for one in found[6:]]:
        assert [item["item"] for item in one] == [item["item"] for item in other]
        np.testing.assert_allclose(*([item["score"] for item in one] for one in (one, other)), rtol=1e-5)
    assert found[0] != found[5]
    (tmp_path / "h.csv").write_text('user,item\na,"i,""1"""\na,"i,""2"""\n')
    rows = list(csv.reader(printed(capsys, tmp_path / "export", tmp_path / "h.csv").splitlines()))[1:]
    assert [row[2] for row in rows] == [item["item"] for item in found[0]]
    form = '{"age": "24", "genres": ["a", "b"]}; correct or remove it'
    for profile, message in [
        ('{"Age": 3}', "h:2: profile: the model knows likes, age, not 'Age'; did you mean age?"),
        ('["age"]', f"h:2: profile: \"['age']\" is not like {form}"),
        ('{"age": [1.5]}', f"h:2: profile: \"{{'age': [1.5]}}\" is not like {form}"),
        ('"24"', f"h:2: profile: '24' is not like {form}"),
    ]:
        (tmp_path / "h").write_text('\n{"user": 1, "history": [], "profile": ' + profile + "}")
        fails(predict.main, [str(tmp_path / "export"), str(tmp_path / "h")], message, capsys, answered=True)


def test_a_model_without_user_features_takes_no_profile(exported, tmp_path, capsys):
    (tmp_path / "h").write_text('{"user": 1, "history": [], "profile": {"age": 3}}')
    message = "h:1: profile: the model knows neither features of users nor queries; remove 'age'"
    fails(predict.main, [str(exported), str(tmp_path / "h")], message, capsys, answered=True)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept") / "export"


@pytest.fixture
def exported(kept, request, tmp_path):
    """A copy of one export, which is made once."""
    if not kept.exists():
        trained, dataset = map(request.getfixturevalue, ("trained", "dataset"))
        exporter.export(trained(dataset, filter_seen=True)[0], kept)
    return shutil.copytree(kept, tmp_path / "export")


def test_unknown_items_are_skipped_and_counted(exported, tmp_path, capsys):
    known = [f'i,"{n}"' for n in range(8)]
    rows = [
        {"user": "a", "history": known},
        {"user": "b", "history": [known[0], "new", *known[1:], 7]},
        {"user": 3, "history": ["new", "newer"]},
        {"user": "d", "history": []},
    ]
    (tmp_path / "h").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    capsys.readouterr()
    predict.main([str(exported), str(tmp_path / "h"), "--top_n", "5"])
    out, err = capsys.readouterr()
    a, b, c, d = map(json.loads, out.splitlines())
    assert [item["item"] for item in a["items"]] == [item["item"] for item in b["items"]]
    np.testing.assert_allclose(*([item["score"] for item in one["items"]] for one in (a, b)), rtol=1e-5)
    assert len(a["items"]) == 5
    assert not {item["item"] for item in a["items"]} & set(known)
    assert [one["unknown"] for one in (a, b, c, d)] == [0, 2, 2, 0]
    assert c == {"user": 3, "items": [], "unknown": 2}
    assert err == "4 users, 2 without recommendations; 4 unknown items skipped\n"


def test_csv_in_csv_out_through_standard_input(exported, tmp_path, capsys):
    rows = [("user", "item"), ("a", 'i,"1"'), ("b", "new"), ("a", 'i,"2"'), ("c", 'i,"2"')]
    with open(tmp_path / "h.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    (tmp_path / "h.json").write_text(json.dumps({"user": "a", "history": ['i,"1"', 'i,"2"']}))
    expected = [tuple(item.values()) for item in json.loads(printed(capsys, exported, tmp_path / "h.json"))["items"]]
    assert len(expected) == V - 1 - 2  # the whole catalogue but what was seen
    table = printed(capsys, exported, tmp_path / "h.csv")
    assert_table(table, expected)
    command = [sys.executable, "-m", "tools.predict", str(exported), "--format", "csv", "--top_n", "100"]
    piped = subprocess.run(command, cwd=ROOT, input=(tmp_path / "h.csv").read_bytes(), capture_output=True, check=True)
    assert_table(piped.stdout.decode(), expected)
    assert piped.stderr.decode().endswith("3 users, 1 without recommendations; 1 unknown items skipped\n")


def printed(capsys, *arguments):
    capsys.readouterr()
    predict.main([*map(str, arguments), "--top_n", "100"])
    return capsys.readouterr().out


def assert_table(text, of_a):
    header, *table = csv.reader(text.splitlines())
    assert header == ["user", "rank", "item", "score", "interest"]
    assert {row[0] for row in table} == {"a", "c"}  # b has no known item
    found = [row[1:] for row in table if row[0] == "a"]
    assert [int(row[0]) for row in found] == list(range(1, len(of_a) + 1))
    assert [(row[1], int(row[3])) for row in found[:10]] == [(item, interest) for item, _, interest in of_a[:10]]
    np.testing.assert_allclose([float(row[2]) for row in found], [score for _, score, _ in of_a], rtol=1e-5, atol=1e-6)


def test_a_tower_without_the_coupling_is_told(exported, tmp_path, capsys):
    class Older(paddle.nn.Layer):  # what exports had before
        def __init__(self):
            super().__init__()
            self.rows = paddle.create_parameter([V, D], "float32")

        def forward(self, hist_item, seq_len):
            return paddle.nn.functional.embedding(hist_item, self.rows), seq_len > 0

    inputs = [paddle.static.InputSpec([None, T], "int64", "hist_item"), paddle.static.InputSpec([None], "int64")]
    paddle.jit.save(Older(), str(exported / "user_tower"), input_spec=inputs)
    checksums.write(exported)
    (tmp_path / "h").write_text('{"user": "a", "history": []}')
    message = "user_tower does not give interests, live, coupling; export it again"
    fails(predict.main, [str(exported), str(tmp_path / "h")], message, capsys)


def test_without_a_map_ids_are_the_table_s(trained, tmp_path, capsys):
    config, _ = trained()
    exporter.export(config, tmp_path / "export")
    (tmp_path / "h").write_text('{"user": "a", "history": ["1", 60, "0", "61"]}')
    predict.main([str(tmp_path / "export"), str(tmp_path / "h"), "--top_n", "3"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["unknown"] == 2
    assert all(1 <= int(item["item"]) <= 60 for item in answer["items"])


def test_predict_imports_no_training_code(exported, tmp_path):
    (tmp_path / "h").write_text('{"user": "a", "history": ["i,\\"1\\""]}')
    code = f"import sys, tools.predict; tools.predict.main({[str(exported), str(tmp_path / 'h')]}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"tools.predict", "paddle", "faiss"} <= loaded
    training = {"dygraph", "static", "checkpoint", "export", "evaluate", "metrics", "runtime"}
    assert not loaded & {"models", "reader", "trainer", "infer", *(f"tools.{name}" for name in training)}


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("h.json", '{"user": "a", "history": ["1"]}\n{"user": "b"}\n', 'h.json:2: \'{"user": "b"}\' is not a line'),
        ("h.json", "\n\n[1, 2]", "h.json:3: '[1, 2]' is not a line like"),
        ("h.json", '{"user": "a", "history": "50"}', "h.json:1: "),
        ("h.json", '{"user": "a", "history": [1.5]}', "h.json:1: "),
        ("h.json", '{"user": null, "history": []}', "h.json:1: "),
        ("h.json", '{"user": true, "history": []}', "h.json:1: "),
        ("h.json", "[" * 100_000, "h.json:1: "),
        ("h.json", "a,50\n", "h.json:1: 'a,50' is not a line like"),
        ("h.json", "", "h.json: no histories; give JSON lines"),
        ("h.json", b'{"user": "a\xff", "history": []}', "h.json:1: byte 0xff is not UTF-8"),
        ("h.csv", "user,item\na,50\na\n", "h.csv:3: 1 fields; a row is user,item"),
        ("h.csv", "a,50,1997\n", "h.csv:1: 3 fields"),
        ("h.csv", 'a,"' + "x" * 200_000 + '"', "h.csv:1: not readable as CSV"),
        ("h.csv", "user,item\n", "h.csv: no histories"),
    ],
)
def test_bad_histories_end_with_code_2_and_a_line(name, text, message, exported, tmp_path, capsys):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    whole = "no histories" in message or "UTF-8" in message
    fails(predict.main, [str(exported), str(tmp_path / name)], message, capsys, answered=not whole)


@pytest.mark.slow
def test_bad_standard_input_names_its_line(exported):
    command = [sys.executable, "-m", "tools.predict", str(exported)]
    done = subprocess.run(command, cwd=ROOT, input=b"\n\xff", capture_output=True, check=False)
    assert done.returncode == 2
    assert b"error: <stdin>:2: byte 0xff is not UTF-8" in done.stderr


def fails(main, arguments, message, capsys, answered=False):
    """`answered`: whether what is wrong with a line is an answer on standard output, too."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert bool(out) == answered
    *counts, told = without_log(err).splitlines()
    assert told.startswith("error: ")
    assert len(counts) == answered
    assert message in told


def test_what_cannot_be_exported_leaves_nothing_behind(trained, dataset, tmp_path, capsys, monkeypatch):
    config, _ = trained(dataset)
    best = str(tmp_path / "out/best/config.yaml")
    before = sorted(tmp_path.rglob("*"))
    for options, message in [
        (["runner.infer_load_path=nowhere"], "no rec.pdparams here; train first: python trainer.py"),
        (["hyper_parameters.item_count=99"], "trained with hyper_parameters.item_count: 61, the configuration has 99"),
        (["runner.infer_start_epoch=0", "runner.infer_end_epoch=3"], "name 3 checkpoints and one is taken"),
    ]:
        fails(export.main, ["-m", best, "-o", *options], message, capsys)
    fails(export.main, ["-m", best, "--output", str(dataset)], "contains something other than an export", capsys)
    text = (dataset / "item_map.csv").read_text()
    (dataset / "item_map.csv").write_text(f"{text}61,more\n")
    fails(export.main, ["-m", best], "item_map.csv: changed since the data set was prepared", capsys)
    (dataset / "item_map.csv").write_text(text)
    assert sorted(tmp_path.rglob("*")) == before

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(exporter, "_copy_maps", interrupted)
    with pytest.raises(KeyboardInterrupt):
        exporter.export(config, tmp_path / "out/export")
    assert sorted(tmp_path.rglob("*")) == before


def test_an_epoch_is_exported_where_it_is_chosen_and_replaces_the_last(trained, tmp_path, capsys):
    _, model = trained()
    export.main(["-m", str(tmp_path / "out/best/config.yaml")])
    shutil.copytree(tmp_path / "out/best", tmp_path / "out/4")
    model.item_table.weight.set_value(model.item_table.weight * 2)
    paddle.save(model.state_dict(), str(tmp_path / "out/4/rec.pdparams"))
    checksums.write(tmp_path / "out/4")
    export.main(["-m", str(tmp_path / "out/best/config.yaml"), "-o", "runner.infer_start_epoch=4"])
    assert f"{tmp_path / 'out/4'} exported to {tmp_path / 'out/export'}" in capsys.readouterr().out
    np.testing.assert_array_equal(np.load(tmp_path / "out/export/item_vectors.npy"), model.item_vectors().numpy())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"best", "4", "export"}


def test_onnx_without_its_package_names_the_extra(trained, tmp_path, capsys, monkeypatch):
    trained()
    monkeypatch.setitem(sys.modules, "paddle2onnx", None)
    arguments = ["-m", str(tmp_path / "out/best/config.yaml"), "--onnx"]
    fails(export.main, arguments, "--onnx needs an extra; install it with: pip install '.[onnx]'", capsys)


@pytest.mark.parametrize("index", ["hnsw", "ivf", pytest.param("milvus", marks=pytest.mark.extras)])
def test_an_export_keeps_its_index(index, trained, dataset, tmp_path, capsys):
    trained(dataset, index=index, infer_batch_size=4)
    best = str(tmp_path / "out/best/config.yaml")
    for _ in range(2):  # the second time from the file
        infer.main(["-m", best])
    assert capsys.readouterr().err.count("recall@20 1.0000 against exact search") == (index != "milvus")
    export.main(["-m", best])
    again = f"index {index}, " in capsys.readouterr().err
    assert again == (index != "milvus")
    hist_item, seq_len = histories(5)
    lists = [row[row > 0] for row in hist_item]
    found = Predictor(folder=tmp_path / "out/export").recommend(lists, 20)
    vectors = np.load(tmp_path / "out/export/item_vectors.npy")
    predictor = Predictor(folder=tmp_path / "out/export")
    expected = Retriever.exact(vectors).recommend(*predictor.embed(hist_item, seq_len), 20)
    np.testing.assert_array_equal(found.items, expected.items)


@pytest.mark.extras
@pytest.mark.parametrize("name", sorted({"mind", "comirec_sa", "two_tower"} & MODELS.keys()))
def test_onnxruntime_takes_the_context(name, trained, with_profiles, tmp_path):
    import onnxruntime

    config, model = trained(with_profiles[0], model=name, **FEATURES)
    exporter.export(config, tmp_path / "export", user_tower.onnx_converter())
    session = onnxruntime.InferenceSession(str(tmp_path / "export/user_tower.onnx"))
    assert [one.name for one in session.get_inputs()] == ["hist_item", "seq_len", "context_eb"]
    predictor = Predictor(folder=tmp_path / "export")
    for users in (1, 7):
        hist_item, seq_len = histories(users, seed=users)
        profiles = with_profiles[1][10 : 10 + users]
        context_eb = predictor.profiles.pool(profiles)
        assert context_eb.shape == (users, model.context_size)
        inputs = {"hist_item": hist_item, "seq_len": seq_len, "context_eb": context_eb}
        check_outputs(session.run(None, inputs), predictor.route(hist_item, seq_len, profiles))
