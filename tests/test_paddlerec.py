"""What PaddleRec's users bring: their yaml, their data, their checkpoints."""

import random

import numpy as np
import paddle
import pytest

import infer
import trainer
from models import MODELS
from tools.common.errors import UserError
from tools.retrieval.retriever import Retriever
from tools.training import checkpoint
from tools.training.dygraph import DygraphModel
from tools.training.settings import load_settings

V, D, K, T = 61, 8, 3, 6
YAML = f"""
runner:
  train_data_dir: "data/train"
  train_reader_path: "mind_reader" # importlib format
  use_gpu: False
  use_xpu: False
  use_auc: False
  use_fleet: False
  sync_mode: "async"
  thread_num: 1
  train_batch_size: 128
  epochs: 1
  print_interval: 500
  model_save_path: "output_model_mind"
  infer_batch_size: 128
  infer_reader_path: "mind_infer_reader" # importlib format
  test_data_dir: "data/valid"
  infer_load_path: "output_model_mind"
  infer_start_epoch: 0
  infer_end_epoch: 1
hyper_parameters:
  optimizer:
    class: Adam
    learning_rate: 0.005
    strategy: async
  item_count: {V}
  embedding_dim: {D}
  hidden_size: {D}
  neg_samples: 20
  maxlen: {T}
  pow_p: 1.0
  capsual: {{iters: 2, max_k: {K}, init_std: 0.5}}
"""


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A folder as PaddleRec's `models/recall/mind`, which is the working folder."""
    rng = random.Random(0)
    for name in ("train", "valid"):
        (tmp_path / "data" / name).mkdir(parents=True)
    rows = [f"{user},{rng.randrange(1, V)},{time}\n" for user in range(40) for time in range(10)]
    (tmp_path / "data/train/demo.txt").write_text("".join(rows))
    words = ["hist_item"] * 8 + ["eval_item"] * 3
    items = [" ".join(f"{word}:{rng.randrange(1, V)}" for word in words) for _ in range(20)]
    lines = [f"user_id:{user} target_item:0 {one}" for user, one in enumerate(items)]
    (tmp_path / "data/valid/part-0").write_text("\n".join(lines))
    (tmp_path / "config.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_their_yaml_trains_and_measures_on_their_data(theirs, caplog):
    caplog.set_level("INFO")
    settings = load_settings("config.yaml", (), MODELS)
    hyper = settings.hyper_parameters
    assert (hyper.routing_times, hyper.interest_num, hyper.routing_logits_std) == (2, K, 0.5)
    assert (settings.runner.train_reader_path, settings.runner.infer_reader_path) == ("reader", "reader")
    for line, words in [
        (4, "runner.train_reader_path: PaddleRec's mind_reader; its files are read by ours, reader"),
        (7, "runner.use_auc: PaddleRec's, not needed here: retrieval has no AUC"), (6, "runner.use_xpu: PaddleRec's"),
        (9, "runner.sync_mode: PaddleRec's, not needed"),
        (32, "hyper_parameters.capsual.iters: PaddleRec's name of hyper_"),
    ]:  # fmt: skip
        assert f"config.yaml:{line}: {words}" in caplog.text
    trainer.main(["-m", "config.yaml"])
    infer.main(["-m", "config.yaml"])
    assert (theirs / "output_model_mind/metrics.json").is_file()


@pytest.mark.parametrize("override, message", [
    ("runner.use_xpu=true", "runner.use_xpu: unknown key; did you mean"), ("runner.use_aux=1", "unknown key"),
    ("hyper_parameters.interest_num=2", "config.yaml:32: hyper_parameters.capsual.max_k: PaddleRec's name of hyper_"),
    ("hyper_parameters.optimizer.lr=1", "unknown key; did you mean hyper_parameters.optimizer.learning_rate?"),
    ("model=mind", "model: unknown key; did you mean hyper_parameters.model?"), ("lr=1", "optimizer.learning_rate?"),
    ("seed=1", "seed: unknown key; did you mean runner.seed?"), ("hyper_parameters.epochs=3", "mean runner.epochs?"),
    ("hyper_parameters.model=ComiRec_DR", "did you mean comirec_dr?"), ("hyper_parameters.model=MIND", "mean mind?"),
    ("runner.batch_size=3", "did you mean runner.train_batch_size?"),
])  # fmt: skip
def test_what_is_not_ours_is_named_with_what_is(override, message, theirs):
    with pytest.raises(UserError) as raised:
        load_settings("config.yaml", [override], MODELS)
    assert message in str(raised.value)


def their_state(rng, static=False):
    """Parameters under the names of its `net.py`."""
    named = {
        "item_emb": rng.normal(size=(V, D)), "capsual_layer.bilinear_mapping_matrix": rng.normal(size=(D, D)),
        "capsual_layer.routing_logits": rng.normal(size=(1, K, T)), "embedding_bias": np.zeros(V),
    }  # fmt: skip
    if static:
        named = {name.rpartition(".")[2]: value for name, value in named.items()}
    else:
        named["item_emb.weight"] = named.pop("item_emb")
    return {name: paddle.to_tensor(value.astype("float32")) for name, value in named.items()}


@pytest.mark.parametrize("static", [False, True])
def test_their_checkpoint_gives_the_interests_of_its_parameters(static, theirs, caplog):
    caplog.set_level("INFO")
    state = their_state(np.random.default_rng(0), static)
    (theirs / "output_model_mind/0").mkdir(parents=True)
    paddle.save(state, "output_model_mind/0/rec.pdparams")
    settings = load_settings("config.yaml", ["hyper_parameters.routing_softmax=items"], MODELS)
    model = DygraphModel().create_model(settings)
    checkpoint.load("output_model_mind/0", model, settings)
    (line,) = (one.message for one in caplog.records if "PaddleRec's parameters are loaded as" in one.message)
    assert all(name in line for name in ("item_table.weight", "extractor.linear.weight", "extractor.initial_logits"))
    assert "not used: embedding_bias" in caplog.text
    model.eval()
    table = (state["item_emb"] if static else state["item_emb.weight"]).numpy()
    table[0] = 0
    prefix = "" if static else "capsual_layer."
    matrix, logits = (state[f"{prefix}{name}"].numpy() for name in ("bilinear_mapping_matrix", "routing_logits"))
    history = np.array([[3, 7, 9, 1, 2, 5]])
    with paddle.no_grad():
        found = model(paddle.to_tensor(history), paddle.to_tensor([T])).numpy()
    low = table[history] @ matrix  # [1, T, D]
    for step in range(2):  # capsual.iters
        high = softmax(logits) @ low
        length = np.square(high).sum(-1, keepdims=True)
        high = high * length / (1 + length) / np.sqrt(length)
        logits = logits + high @ low.transpose(0, 2, 1) * (step == 0)
    np.testing.assert_allclose(found, high, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(model.item_vectors().numpy(), table)
    lists = Retriever.exact(table).recommend(found, np.ones((1, K), bool), 5).items[0]
    best = np.argsort(-(table[1:] @ found[0].T).max(axis=1))[:5] + 1
    assert lists.tolist() == best.tolist()


def softmax(logits):
    power = np.exp(logits - logits.max(-1, keepdims=True))
    return power / power.sum(-1, keepdims=True)


def test_their_checkpoint_is_measured_and_trained_on(theirs):
    (theirs / "old/0").mkdir(parents=True)
    paddle.save(their_state(np.random.default_rng(0)), "old/0/rec.pdparams")
    paddle.save({"item_emb_moment1_0": paddle.zeros([V, D])}, "old/0/rec.pdopt")
    infer.main(["-m", "config.yaml", "-o", "runner.infer_load_path=old"])
    assert (theirs / "old/metrics.json").is_file()
    trainer.main(["-m", "config.yaml", "-o", "runner.model_init_path=old/0"])
    assert (theirs / "output_model_mind/0/rec.pdparams").is_file()


def test_a_part_that_is_missing_or_of_another_size_is_named(theirs):
    settings = load_settings("config.yaml", (), MODELS)
    state = their_state(np.random.default_rng(0))
    (theirs / "old").mkdir()
    for broken, message in [
        ({**state, "item_emb.weight": paddle.zeros([V + 1, D])}, f"item_table.weight is [{V + 1}, {D}], MIND has"),
        ({name: one for name, one in state.items() if "mapping" not in name}, "extractor.linear.weight is None"),
        ({**state, "capsual_layer.routing_logits": paddle.zeros([1, 4, T])}, f"initial_logits is [4, {T}]"),
    ]:  # fmt: skip
        paddle.save(broken, "old/rec.pdparams")
        with pytest.raises(UserError) as raised:
            checkpoint.load("old", DygraphModel().create_model(settings), settings)
        assert message in str(raised.value)
