"""Samplers and losses, each against the formula in float64, row by row."""

import math

import numpy as np
import paddle
import pytest

from models.losses.objective import NEGATIVES, GeneralizedBCE, create_objective
from models.losses.samplers import SAMPLERS, AllItems, LogUniform, Unigram

V, D, ALPHA = 50, 4, 0.75
COUNT = np.random.default_rng(9).integers(0, 30, V + 1).astype("int64")  # some items stand nowhere; row 0 is padding's
SEEN = np.maximum(COUNT[1:], 1)
PROBABILITY = {
    "log_uniform": np.array([math.log((i + 1) / i) / math.log(V + 1) for i in range(1, V + 1)]),
    "uniform": np.full(V, 1 / V),
    "unigram": SEEN**ALPHA / (SEEN**ALPHA).sum(),
    "in_batch": SEEN / SEEN.sum(),
}
every_sampler = pytest.mark.parametrize("name", SAMPLERS)
DRAWING = [name for name in SAMPLERS if name != "in_batch"]


def sampler_of(name):
    sampler = SAMPLERS[name](item_num=V, alpha=ALPHA)
    sampler.count_items(COUNT)
    return sampler


def objective_of(name, log_q=True, temperature=1.0, neg_samples=9, beta=0.0):
    objective = create_objective(
        negatives=name, item_num=V, neg_samples=neg_samples, log_q=log_q, temperature=temperature, unigram_alpha=ALPHA,
        hard_negative_beta=beta,
    )  # fmt: skip
    objective.count_items(COUNT)
    return objective


# Samplers


@every_sampler
def test_probabilities_are_the_spec_s_and_sum_to_one(name):
    got = sampler_of(name).log_probability(paddle.arange(1, V + 1))
    assert got.dtype == paddle.float32
    np.testing.assert_allclose(got.numpy(), np.log(PROBABILITY[name]), rtol=1e-5)
    assert np.exp(got.numpy()).sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", DRAWING)
def test_draws_follow_the_probabilities(name):
    paddle.seed(3)
    count = 200_000
    drawn = sampler_of(name).draw(count, paddle.to_tensor([[1]])).numpy()
    assert drawn.dtype == np.int64
    assert drawn.min() == 1
    assert drawn.max() == V
    expected = PROBABILITY[name] * count
    got = np.bincount(drawn, minlength=V + 1)[1:]
    assert (np.abs(got - expected) < 5 * np.sqrt(expected)).all()


@pytest.mark.parametrize("name", DRAWING)
def test_one_seed_one_draw(name):
    draws = []
    for _ in range(2):
        paddle.seed(4)
        draws.append(sampler_of(name).draw(100, None).tolist())
    assert draws[0] == draws[1]


def test_unigram_is_uniform_until_it_has_counted():
    got = Unigram(item_num=V, alpha=ALPHA).log_probability(paddle.arange(1, V + 1))
    np.testing.assert_allclose(got.numpy(), -math.log(V), rtol=1e-6)


def test_in_batch_draws_the_targets_and_leaves_missing_ones_out():
    target_item = paddle.to_tensor([[3, 8], [8, 0], [1, 0]])
    assert sampler_of("in_batch").draw(1280, target_item).tolist() == [3, 8, 8, 1]


def test_all_items_are_drawn_once_each():
    assert AllItems(item_num=V).draw(3, None).tolist() == list(range(1, V + 1))


def test_log_uniform_follows_an_order_that_ids_do_not_have():
    order = np.random.default_rng(1).permutation(V) + 1  # the most popular first
    plain, sampler = SAMPLERS["log_uniform"](item_num=V), SAMPLERS["log_uniform"](item_num=V)
    sampler.count_items(COUNT, order)
    got = sampler.log_probability(paddle.to_tensor(order)).numpy()
    np.testing.assert_array_equal(got, plain.log_probability(paddle.arange(1, V + 1)).numpy())
    paddle.seed(5)
    drawn = sampler.draw(1000, paddle.to_tensor([[1]])).numpy()
    paddle.seed(5)
    assert (drawn == order[plain.draw(1000, paddle.to_tensor([[1]])).numpy() - 1]).all()
    sampler.count_items(COUNT)  # ids are in order again
    np.testing.assert_array_equal(sampler.log_probability(paddle.arange(1, V + 1)).numpy(), got)


def test_log_uniform_keeps_its_precision_in_a_large_catalogue():
    sampler = LogUniform(item_num=4_000_000)
    item = 3_999_999
    want = math.log(math.log1p(1 / item)) - math.log(math.log(4_000_001))
    assert sampler.log_probability(paddle.to_tensor([item])).item() == pytest.approx(want, abs=1e-5)
    assert sampler.draw(100_000, None).numpy().max() <= 4_000_000


# Losses


def batch(seed=0, rows=6, n=9, scale=1.0):
    rng = np.random.default_rng(seed)
    user, target_eb, candidate_eb = (scale * rng.normal(size=(size, D)) for size in (rows, rows, n))
    target = rng.integers(1, V + 1, rows)
    candidate = rng.integers(1, V + 1, n)
    candidate[:3] = target[0], target[0], target[1]  # collisions, one of them twice
    return user, target_eb, target, candidate_eb, candidate


def tensors(arrays):
    return [paddle.to_tensor(one.astype("float32") if one.dtype == np.float64 else one) for one in arrays]


def sampled_by_hand(name, log_q, temperature, user, target_eb, target, candidate_eb, candidate):
    losses = []
    for u, e, t in zip(user, target_eb, target, strict=True):
        correction = (lambda item: math.log(len(candidate) * PROBABILITY[name][item - 1])) if log_q else lambda item: 0
        positive = u @ e / temperature - correction(t)
        negatives = [
            u @ row / temperature - correction(c) for row, c in zip(candidate_eb, candidate, strict=True) if c != t
        ]
        losses.append(np.log(np.exp([positive, *negatives]).sum()) - positive)
    return losses


@every_sampler
@pytest.mark.parametrize("log_q", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_sampled_softmax_by_hand(name, log_q, temperature):
    arrays = batch()
    got = objective_of(name, log_q, temperature)(*tensors(arrays)).numpy()
    np.testing.assert_allclose(got, sampled_by_hand(name, log_q, temperature, *arrays), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("log_q", [True, False])
def test_in_batch_softmax_by_hand(log_q):
    """Each row against the other rows' targets; a target that is missing or the row's own is no negative."""
    rng = np.random.default_rng(2)
    table, user = rng.normal(size=(V + 1, D)), rng.normal(size=(4, D))
    target_item = np.array([[7, 9], [7, 0]])
    objective = objective_of("in_batch", log_q)
    candidate = objective.candidates(paddle.to_tensor(target_item)).numpy()
    known = np.maximum(target_item, 1).flatten()
    got = objective(*tensors((user, table[known], known, table[candidate], candidate))).numpy()
    correction = np.log(PROBABILITY["in_batch"]) if log_q else np.zeros(V)
    logits = user @ table[1:].T - correction
    want = [
        np.log(np.exp(logits[row, [own - 1, *(one - 1 for one in (7, 9, 7) if one != own)]]).sum())
        - logits[row, own - 1]
        for row, own in enumerate((7, 9, 7))
    ]
    np.testing.assert_allclose(got[:3], want, rtol=1e-4, atol=1e-5)
    assert np.isfinite(got).all()


def test_full_softmax_by_hand():
    rng = np.random.default_rng(1)
    table, user = rng.normal(size=(V + 1, D)), rng.normal(size=(5, D))
    target = rng.integers(1, V + 1, 5)
    objective = objective_of("full", temperature=0.5)
    candidate = objective.candidates(paddle.to_tensor(target)).numpy()
    np.testing.assert_array_equal(candidate, np.arange(1, V + 1))  # padding is no candidate
    got = objective(*tensors((user, table[target], target, table[candidate], candidate))).numpy()
    logits = user @ table[1:].T / 0.5
    want = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(5), target - 1]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


# Hard negatives


def hard_by_hand(beta, temperature, user, target_eb, target, candidate_eb, candidate):
    losses = []
    for u, e, t in zip(user, target_eb, target, strict=True):
        score = np.array([u @ row / temperature for row, c in zip(candidate_eb, candidate, strict=True) if c != t])
        positive = u @ e / temperature
        weight = np.exp(beta * score) / np.mean(np.exp(beta * score)) if len(score) else score
        losses.append(-np.log(np.exp(positive) / (np.exp(positive) + (weight * np.exp(score)).sum())))
    return np.array(losses)


@pytest.mark.parametrize("name", NEGATIVES)
@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_hard_negatives_by_hand(name, beta, temperature):
    """Whatever draws them; without log-Q, though it is asked for."""
    arrays = batch()
    got = objective_of(name, temperature=temperature, beta=beta)(*tensors(arrays)).numpy()
    np.testing.assert_allclose(got, hard_by_hand(beta, temperature, *arrays), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("beta", [0.5, 1.0])
def test_gradient_of_hard_negatives_runs_through_the_weight(beta):
    arrays = batch()
    inputs = tensors(arrays)
    for place in (0, 1, 3):
        inputs[place].stop_gradient = False
    objective_of("uniform", beta=beta)(*inputs).sum().backward()
    step = 1e-5
    for place in (0, 1, 3):
        want = np.zeros_like(arrays[place])
        for index in np.ndindex(want.shape):
            values = []
            for sign in (1, -1):
                moved = [one.copy() for one in arrays]
                moved[place][index] += sign * step
                values.append(hard_by_hand(beta, 1.0, *moved).sum())
            want[index] = (values[0] - values[1]) / (2 * step)
        np.testing.assert_allclose(inputs[place].grad.numpy(), want, rtol=1e-3, atol=1e-5)


def test_hard_negatives_of_weight_near_0_are_the_softmax_without_correction():
    inputs = tensors(batch())
    got, want = objective_of("uniform", beta=1e-6)(*inputs), objective_of("uniform", log_q=False)(*inputs)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("calibration", [0.0, 0.75, 1.0])
def test_gbce_by_hand(calibration):
    user, target_eb, target, candidate_eb, candidate = arrays = batch()
    sampler = SAMPLERS["uniform"](item_num=V)
    options = {"neg_samples": 9, "log_q": False, "temperature": 0.5}
    objective = GeneralizedBCE(sampler=sampler, calibration=calibration, **options)
    share = len(candidate) / (V - 1)
    beta = share * (calibration * (1 - 1 / share) + 1 / share)
    want = []
    for u, e, t in zip(user, target_eb, target, strict=True):
        chance = [1 / (1 + np.exp(-(u @ row) / 0.5)) for row in (e, *candidate_eb[candidate != t])]
        want.append(-(beta * np.log(chance[0]) + sum(np.log(1 - one) for one in chance[1:])) / (1 + len(candidate)))
    np.testing.assert_allclose(objective(*tensors(arrays)).numpy(), want, rtol=1e-4)


@pytest.mark.parametrize("beta", [0.5, 1.0, 100.0])
def test_hard_negatives_stay_finite_for_large_scores_and_for_none(beta):
    """Scores in the hundreds, and a row whose negatives all are its target."""
    user, target_eb, target, candidate_eb, candidate = batch(scale=15.0)
    candidate[:] = target[0]
    inputs = tensors((user, target_eb, target, candidate_eb, candidate))
    inputs[0].stop_gradient = inputs[3].stop_gradient = False
    loss = objective_of("uniform", beta=beta)(*inputs)
    loss.sum().backward()
    assert loss.numpy()[0] == 0.0
    assert not inputs[0].grad.numpy()[0].any()
    assert all(np.isfinite(one).all() for one in (loss.numpy(), inputs[0].grad.numpy(), inputs[3].grad.numpy()))
