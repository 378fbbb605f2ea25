"""The static graph gives what the dynamic one gives, and a program really runs."""

import numpy as np
import paddle
import pytest
from registry import gradient_models

from models.layers import compiled
from reader import InferBatch
from tools.common.ragged import ragged
from tools.training import checkpoint
from tools.training.static import GRAPHS

STEPS, V, T, B = 8, 300, 7, 16


@pytest.fixture
def build(settings):
    def make(graph, name, **options):
        paddle.seed(4)
        common = {"item_count": V, "maxlen": T, "embedding_dim": 8, "neg_samples": 50}
        config = settings(graph=graph, model=name, **{**common, **options})
        run = GRAPHS[graph]()
        model = run.create_model(config)
        return run, model, run.create_optimizer(model, config, STEPS), config

    return make


def batch(step, targets=1):
    rng = np.random.default_rng(step)
    seq_len = rng.integers(1, T + 1, B)
    hist_item = np.where(np.arange(T) < seq_len[:, None], rng.integers(1, V, (B, T)), 0)
    target_item = rng.integers(1, V, (B, targets))
    target_item[::3, 1:] = 0  # some users' histories end there
    return [hist_item, target_item, seq_len]


def losses(run, model, optimizer, steps, targets=1):
    """Losses of some steps, drawn from the step's own seed."""
    got = []
    model.train()
    for step in steps:
        paddle.seed(step)
        loss = run.train_forward(model, batch(step, targets))
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        got.append(float(loss))
    return got


@gradient_models
@pytest.mark.parametrize(
    "options",
    [
        {"negatives": "log_uniform"},
        {"targets": 3, "negatives": "in_batch", "hard_negative_beta": 1.0},
        *(
            pytest.param(options, marks=pytest.mark.slow)
            for options in (
                {"negatives": "uniform", "similarity": "cosine", "temperature": 0.1},
                {"negatives": "full", "pow_p": 2.0},
                {"dynamic_interest_num": True, "pow_p": 0.0, "interest_spread_weight": 0.5, "interests": "mind"},
                {"targets": 2, "negatives": "unigram", "pow_p": 1.0, "dropout": 0.3},
            )
        ),
    ],
    ids=str,
)
def test_losses_agree(build, name, options):
    targets = options.get("targets", 1)
    dynamic = losses(*build("dynamic", name, **options)[:3], range(STEPS), targets)
    static = losses(*build("static", name, **options)[:3], range(STEPS), targets)
    np.testing.assert_allclose(static, dynamic, rtol=1e-5)
    assert dynamic[-1] != dynamic[0]


@pytest.mark.parametrize("name, encoder", [("comirec_sa", "transformer"), ("mind", "transformer"), ("re4", "gru")])
def test_losses_with_an_encoder_agree(build, name, encoder):
    options = {"encoder": encoder, "dropout": 0.3, "targets": 2}
    dynamic, static = (losses(*build(graph, name, **options)[:3], range(4), 2) for graph in GRAPHS)
    np.testing.assert_allclose(static, dynamic, rtol=1e-5)


@pytest.mark.extras
@pytest.mark.parametrize("name", ["mind", "comirec_sa"])  # one with a compiled extractor, one without
def test_both_graphs_run_compiled_passes(build, monkeypatch, name):
    monkeypatch.setattr(compiled, "ON", False)  # and so it is afterwards
    plain = losses(*build("static", name)[:3], range(3))
    got = []
    for graph in GRAPHS:
        run, model, optimizer, _ = build(graph, name, compiled=True)
        got.append(losses(run, model, optimizer, range(3)))
    np.testing.assert_allclose(got[1], got[0], rtol=1e-5)
    np.testing.assert_allclose(got[1], plain, rtol=1e-5)


@pytest.mark.extras
def test_a_model_with_a_fit_of_its_own_has_compiled_passes_too(build, monkeypatch):
    monkeypatch.setattr(compiled, "ON", False)
    assert build("dynamic", "spectral_mix", compiled=True)[2] is None
    assert compiled.ON


def test_negatives_by_counts_agree(build):
    """Where ids are no order of popularity."""
    got = []
    for graph in GRAPHS:
        run, model, optimizer, _ = build(graph, "comirec_sa")
        model.count_items(np.ones(V), np.arange(V - 1, 0, -1))
        got.append(losses(run, model, optimizer, range(5)))
    np.testing.assert_allclose(got[0], got[1], rtol=1e-5)
    run, model, optimizer, _ = build("dynamic", "comirec_sa")
    assert losses(run, model, optimizer, range(5)) != got[0]


@pytest.mark.slow
@gradient_models
@pytest.mark.parametrize("first, second", [("dynamic", "static"), ("static", "dynamic")])
def test_a_checkpoint_of_either_is_continued_by_the_other(build, name, first, second, tmp_path):
    whole = losses(*build("dynamic", name)[:3], range(STEPS))
    run, model, optimizer, config = build(first, name)
    losses(run, model, optimizer, range(STEPS // 2))
    checkpoint.save(tmp_path / "half", model, optimizer, config, {})
    run, model, optimizer, config = build(second, name)
    checkpoint.load(tmp_path / "half", model, config, optimizer)
    rest = losses(run, model, optimizer, range(STEPS // 2, STEPS))
    np.testing.assert_allclose(rest, whole[STEPS // 2 :], rtol=1e-5)


@gradient_models
def test_interests_agree(build, name):
    hist_item, target_item, seq_len = batch(0)
    one = ragged(np.ones(B, np.int64), target_item[:, 0])
    users = InferBatch(np.arange(B), hist_item, seq_len, one, one)
    got = []
    for graph in GRAPHS:
        run, model, optimizer, _ = build(graph, name, dynamic_interest_num=True)
        losses(run, model, optimizer, range(3))
        got.append(run.infer_forward(model, users))
    np.testing.assert_allclose(got[0][0], got[1][0], atol=1e-6)
    np.testing.assert_array_equal(got[0][1], got[1][1])


@gradient_models
def test_a_program_runs_and_python_only_to_make_it(build, name):
    run, model, optimizer, _ = build("static", name)
    calls = []
    inner = "read" if hasattr(model.extractor, "read") else "route"
    original = getattr(model.extractor, inner)

    def counted(*args):
        calls.append(len(calls))
        return original(*args)

    setattr(model.extractor, inner, counted)
    losses(run, model, optimizer, range(1))
    made = len(calls)
    losses(run, model, optimizer, range(1, 6))
    assert 1 <= made == len(calls)
    (program,) = run.net.program_cache.concrete_programs()
    assert len(program.main_program.global_block().ops) > 20


def test_the_table_s_gradient_stays_sparse(build):
    """What a step costs must not grow with the catalogue."""
    run, model, _, _ = build("static", "mind")
    run.train_forward(model, batch(0)).backward()
    assert model.item_table.weight.grad.is_selected_rows()
