import math

import numpy as np
import paddle
import pytest

from models.objective import SAMPLERS, LogUniform, create_objective

V, D = 50, 4


def log_q(name, item):
    return {
        "log_uniform": np.log(np.log((item + 1) / item) / np.log(V + 1)),
        "uniform": np.full(np.shape(item), -np.log(V)),
    }[name]


@pytest.mark.parametrize("name", SAMPLERS)
def test_probabilities_are_the_spec_s_and_sum_to_one(name):
    item = np.arange(1, V + 1)
    got = SAMPLERS[name](item_num=V).log_probability(paddle.to_tensor(item)).numpy()
    np.testing.assert_allclose(got, log_q(name, item), rtol=1e-5)
    assert np.exp(got).sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", SAMPLERS)
def test_draws_follow_the_probabilities(name):
    paddle.seed(3)
    count = 200_000
    drawn = SAMPLERS[name](item_num=V).draw(count).numpy()
    assert drawn.min() == 1
    assert drawn.max() == V
    expected = np.exp(log_q(name, np.arange(1, V + 1))) * count
    got = np.bincount(drawn, minlength=V + 1)[1:]
    assert (np.abs(got - expected) < 5 * np.sqrt(expected)).all()


def test_log_uniform_keeps_its_precision_in_a_large_catalogue():
    sampler = LogUniform(item_num=4_000_000)
    item = 3_999_999
    want = math.log(math.log1p(1 / item)) - math.log(math.log(4_000_001))
    assert sampler.log_probability(paddle.to_tensor([item])).item() == pytest.approx(want, abs=1e-5)
    assert sampler.draw(100_000).numpy().max() <= 4_000_000


def batch(seed=0, rows=6, n=9):
    rng = np.random.default_rng(seed)
    user, target_eb, candidate_eb = (rng.normal(size=(size, D)).astype("float32") for size in (rows, rows, n))
    target = rng.integers(1, V + 1, rows)
    candidate = rng.integers(1, V + 1, n)
    candidate[:3] = target[0], target[0], target[1]  # collisions, one of them twice
    return user, target_eb, target, candidate_eb, candidate


def sampled_by_hand(name, with_log_q, temperature, user, target_eb, target, candidate_eb, candidate):
    losses = []
    for u, e, t in zip(user.astype(np.float64), target_eb, target, strict=True):
        correction = (lambda item: log_q(name, item) + np.log(len(candidate))) if with_log_q else (lambda item: 0.0)
        positive = u @ e / temperature - correction(t)
        negatives = [
            u @ row / temperature - correction(c) for row, c in zip(candidate_eb, candidate, strict=True) if c != t
        ]
        losses.append(np.log(np.exp([positive, *negatives]).sum()) - positive)
    return losses


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("with_log_q", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_sampled_softmax_by_hand(name, with_log_q, temperature):
    arrays = batch()
    objective = create_objective(
        negatives=name, item_num=V, neg_samples=len(arrays[-1]), log_q=with_log_q, temperature=temperature
    )
    got = objective(*map(paddle.to_tensor, arrays)).numpy()
    np.testing.assert_allclose(got, sampled_by_hand(name, with_log_q, temperature, *arrays), rtol=1e-4, atol=1e-5)


def test_full_softmax_by_hand():
    rng = np.random.default_rng(1)
    table, user = rng.normal(size=(V + 1, D)).astype("float32"), rng.normal(size=(5, D)).astype("float32")
    target = rng.integers(1, V + 1, 5)
    objective = create_objective(negatives="full", item_num=V, neg_samples=1, log_q=True, temperature=0.5)
    candidate = objective.candidates(paddle.to_tensor(target)).numpy()
    np.testing.assert_array_equal(candidate, np.arange(1, V + 1))  # padding is no candidate
    got = objective(*map(paddle.to_tensor, (user, table[target], target, table[candidate], candidate))).numpy()
    logits = user.astype(np.float64) @ table[1:].T / 0.5
    want = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(5), target - 1]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
