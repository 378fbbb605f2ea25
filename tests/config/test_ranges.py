"""Every number of a configuration in its whole range: a line that names it, or a model that learns and finds."""

import typing
from dataclasses import replace

import numpy as np
import paddle
import pytest
from registry import GRADIENT

from models import MODELS
from tools.common.errors import UserError
from tools.config.load import _attribute, keys, useless_keys
from tools.training import memory
from tools.training.dygraph import DygraphModel
from tools.training.settings import load_settings

V, T = 31, 5
YAML = f"""
runner: {{top_n: [3], best_metric: recall@3, train_batch_size: 8, infer_batch_size: 8}}
hyper_parameters: {{item_count: {V}, maxlen: {T}}}
"""
SMALL = {"embedding_dim": 4, "neg_samples": 6, "re4_negatives": 3}  # where a model has them


def kinds(kind):
    """The types that a key's type is made of."""
    inner = typing.get_args(kind)
    return {kind}.union(*map(kinds, inner)) if inner else {kind}


NUMBERS = {name: entry for name, entry in keys().items() if {int, float} & kinds(entry.type)}
# What takes as long as it is large, and nothing else.
TIMES = ("epochs", "_iterations", "routing_times", "spectral_folds")
BEYOND = ("-1", "-1e300", "1e300", str(2**31), str(2**63), "9" * 400, ".nan", "-.inf")


@pytest.fixture
def path(tmp_path):
    (tmp_path / "c.yaml").write_text(YAML)
    return tmp_path / "c.yaml"


def loaded(path, key, value, model="mind"):
    """The configuration, or None where the value is refused as it should be: in a line that names the key."""
    useless = useless_keys(model, MODELS)
    small = [f"hyper_parameters.{one}={number}" for one, number in SMALL.items()]
    small = [one for one in small if one.partition("=")[0] not in {key, *useless}]
    if "transformer" in key:
        small.append("hyper_parameters.encoder=transformer")
    caught = None
    try:
        return load_settings(path, [f"{key}={value}", f"hyper_parameters.model={model}", *small], MODELS)
    except UserError as error:
        caught = str(error)
    assert caught.startswith(f"-o {key}")
    assert len(caught) < 1000
    return None


@pytest.mark.slow
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_beyond_its_range_is_refused_in_a_line(name, path):
    rule = NUMBERS[name].metadata
    for value in BEYOND:
        config = loaded(path, name, value, model_of(name))
        if config is not None:
            number = _attribute(config, name)
            for one in number if isinstance(number, list) else [number]:
                assert rule["low"] <= one <= min(rule["high"], 2**31 - 1 if isinstance(one, int) else 1e30)
    assert "9" * 400 not in str(config)


def model_of(name):
    """One that the key means something to."""
    return next(one for one in ["mind", *GRADIENT, *MODELS] if name not in useless_keys(one, MODELS))


def run(config):
    """A step of training, where it is learnt by gradient, and a look at interests; what is no number is a number's."""
    graph = DygraphModel()
    memory.check(config, training=True)
    model = graph.create_model(config)
    rng = np.random.default_rng(0)
    length, items = config.hyper_parameters.maxlen, config.hyper_parameters.item_count
    hist_item = np.zeros((8, length), np.int64)
    hist_item[:, : min(length, T)] = rng.integers(1, min(items, V), (8, min(length, T)))
    seq_len = np.full(8, min(length, T))
    if hasattr(model, "loss"):
        model.count_items(np.ones(items, np.int64))
        optimizer = graph.create_optimizer(model, config, 10)
        target = rng.integers(1, min(items, V), (8, config.hyper_parameters.targets))
        loss = graph.train_forward(model, [hist_item, target, seq_len])
        assert loss.shape == []
        loss.backward()
        optimizer.step()
        interests = model(paddle.to_tensor(hist_item), paddle.to_tensor(seq_len))
        assert interests.shape[0] == 8


@pytest.mark.parametrize("name", [one for one in NUMBERS if one.startswith("hyper_parameters.")])
def test_a_number_at_an_end_of_its_range_works_or_is_too_large_for_the_machine(name, path, monkeypatch):
    monkeypatch.setattr(memory, "memory", lambda: 2**24)  # 16 MiB: nothing here takes more
    rule, model = NUMBERS[name].metadata, model_of(name)
    for value in {rule["low"], min(rule["high"], 2**31 - 1 if "int" in str(NUMBERS[name].type) else 1e30)}:
        if name.endswith(TIMES) and value > 10:
            continue
        config = loaded(path, name, value, model)
        if config is None:
            continue
        try:
            run(config)
        except UserError as error:
            refused = str(error)
        else:
            continue
        assert name.rpartition(".")[2] in refused
        assert "this machine has 0.0 GiB; lower" in refused


@pytest.mark.parametrize("overrides, message", [
    (["embedding_dim=65536", "item_count=2147483647"], "the table of hyper_parameters.item_count × embedding_dim"),
    (["maxlen=1000000", "embedding_dim=4096"], "rows of runner.train_batch_size × maxlen × embedding_dim would take"),
    (["neg_samples=100000000"], "candidates of neg_samples × embedding_dim would take 23.8 GiB"),
    (["negatives=full", "item_count=2147483647", "embedding_dim=1"], "train_batch_size × targets × item_count"),
    (["model=comirec_dr", "maxlen=10000", "embedding_dim=4096"], "matrices of maxlen × interest_num × embedding_dim²"),
    (["encoder=transformer", "embedding_dim=1", "maxlen=1000000"], "batch × transformer_heads × maxlen"),
    (["model=two_tower", "tower_sizes=[1000000, 1000000]"], "towers of tower_sizes and embedding_dim"),
    (["model=item_knn", "item_count=100000000", "neighbors=1000"], "neighbours of item_count × neighbors"),
    (["model=spectral_mix", "item_count=20000000", "mix_number=3"], "of mix_number, mix_size and item_count"),
])  # fmt: skip
def test_sizes_that_are_too_much_together_say_so_before_anything_is_made(overrides, message, path, monkeypatch):
    monkeypatch.setattr(memory, "memory", lambda: 24 * 2**30)
    config = load_settings(path, [f"hyper_parameters.{one}" for one in overrides], MODELS)
    with pytest.raises(UserError) as raised:
        memory.check(config, training=True)
    assert message in str(raised.value)
    assert "this machine has 24.0 GiB" in str(raised.value)
    memory.check(replace(config, runner=replace(config.runner, use_gpu=True)), training=True)  # it has its own


def test_what_fits_is_not_refused(path, monkeypatch):
    monkeypatch.setattr(memory, "memory", lambda: 2**30)
    config = load_settings(path, ["hyper_parameters.item_count=1000000", "hyper_parameters.embedding_dim=64"], MODELS)
    memory.check(config, training=True)
    assert memory.memory() > 2**20


@pytest.mark.parametrize("index, search, message", [
    ("IVF999999999", None, "999999999 is out of range"), ("IVF999999999,Flat", None, "at most 1048576"),
    ("HNSW99999999", None, "out of range"), ("Flat", "nprobe=3", "no search parameter"),
    ("hnsw", "efSearch=2147483647", "efSearch is at most 65536"), ("ivf_pq", "k_factor_rf=99999", "at most 1000"),
    ("ivf", "nprobe=0", "a whole number above 0"), ("PCA" + "9" * 30 + ",Flat", None, "out of range"),
])  # fmt: skip
def test_an_index_of_any_size_is_refused_before_it_is_made(index, search, message, path):
    overrides = [f"runner.index={index}", *([f"runner.index_search={search}"] if search else [])]
    with pytest.raises(UserError) as raised:
        load_settings(path, overrides, MODELS)
    assert message in str(raised.value)
