"""Softmaxes as one operator against their formulas in float64, and dropout by 16 random bits."""

import numpy as np
import paddle
import pytest

from models.layers.functional import drop
from models.losses.softmax import NEVER, LogMass, SoftCrossEntropy

B, N, D = 3, 7, 5


def gradients(loss, *leaves):
    return [one.numpy() for one in paddle.grad(loss, list(leaves))]


def numeric(function, leaf, step=1e-4):
    """The gradient of a function of float64 arrays, by differences."""
    found = np.zeros_like(leaf)
    for place in np.ndindex(leaf.shape):
        ends = []
        for sign in (1, -1):
            moved = leaf.copy()
            moved[place] += sign * step
            ends.append(function(moved))
        found[place] = (ends[0] - ends[1]) / (2 * step)
    return found


@pytest.mark.parametrize("scale", [1.0, 60.0])  # scores of hundreds: Paddle's own cross-entropy ends at 64
def test_log_mass(scale):
    rng = np.random.default_rng(0)
    user, candidate = scale * rng.normal(size=(B, D)), rng.normal(size=(N, D))
    bias, outer = rng.normal(size=(B, N)), rng.normal(size=B)
    bias[0, 2] = NEVER

    def formula(user, candidate):
        score = (bias + user @ candidate.T).astype("float64")
        top = score.max(axis=1, keepdims=True)
        return np.log(np.exp(score - top).sum(axis=1)) + top[:, 0]

    leaves = [paddle.to_tensor(one.astype("float32"), stop_gradient=False) for one in (user, candidate)]
    mass = LogMass.apply(*leaves, paddle.to_tensor(bias.astype("float32")))
    np.testing.assert_allclose(mass.numpy(), formula(user, candidate), rtol=1e-5, atol=1e-5)
    weighed = (mass * paddle.to_tensor(outer.astype("float32"))).sum()
    by_user, by_candidate = gradients(weighed, *leaves)
    wanted = numeric(lambda one: (formula(one, candidate) * outer).sum(), user)
    np.testing.assert_allclose(by_user, wanted, rtol=2e-3, atol=2e-3)
    wanted = numeric(lambda one: (formula(user, one) * outer).sum(), candidate)
    np.testing.assert_allclose(by_candidate, wanted, rtol=2e-3, atol=2e-3 * scale)


def test_a_row_without_any_candidate_has_no_mass():
    user, candidate = paddle.ones([1, D]), paddle.ones([2, D])
    user.stop_gradient = candidate.stop_gradient = False
    mass = LogMass.apply(user, candidate, paddle.full([1, 2], NEVER))
    loss = paddle.nn.functional.softplus(mass - 3.0).sum()
    assert float(loss) == 0.0
    assert not any(one.any() for one in gradients(loss, user, candidate))


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_soft_cross_entropy(scale):
    rng = np.random.default_rng(1)
    score, outer = scale * rng.normal(size=(B, N)), rng.normal(size=B)
    label = rng.dirichlet(np.ones(N), size=B)

    def formula(score):
        top = score.max(axis=1, keepdims=True)
        return np.log(np.exp(score - top).sum(axis=1)) + top[:, 0] - (label * score).sum(axis=1)

    leaf = paddle.to_tensor(score.astype("float32"), stop_gradient=False)
    loss = SoftCrossEntropy.apply(leaf, paddle.to_tensor(label.astype("float32")))
    np.testing.assert_allclose(loss.numpy(), formula(score), rtol=1e-5, atol=1e-4)
    (slope,) = gradients((loss * paddle.to_tensor(outer.astype("float32"))).sum(), leaf)
    np.testing.assert_allclose(slope, numeric(lambda one: (formula(one) * outer).sum(), score), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.99])
def test_dropout_keeps_the_mean(share):
    paddle.seed(3)
    kept = drop(paddle.full([333, 301], 2.0), share).numpy()  # an odd number of values
    assert (kept == 0).mean() == pytest.approx(share, abs=0.006)
    assert np.unique(kept[kept > 0]) == pytest.approx(2.0 / (1.0 - share), rel=1e-3)
    columns = (kept == 0).mean(axis=0)  # none is dropped more than another
    assert np.abs(columns - share).max() < 6 * (share * (1 - share) / 333) ** 0.5 + 1e-9


def test_dropout_draws_anew_and_again_by_its_seed():
    draws = []
    for seed in (1, 1, 2):
        paddle.seed(seed)
        draws.append(drop(paddle.ones([50, 41]), 0.5).numpy())
    assert (draws[0] == draws[1]).all()
    assert (draws[0] != draws[2]).any()


def test_dropout_has_the_gradient_of_what_it_kept():
    values = paddle.rand([20, 7])
    values.stop_gradient = False
    kept = drop(values, 0.4)
    np.testing.assert_allclose(gradients(kept.sum(), values)[0], (kept / values).numpy(), rtol=1e-6)
