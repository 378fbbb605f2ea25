"""Compiled passes against the plain formulas that they stand for: values and gradients."""

import numpy as np
import paddle
import pytest

from models import MODELS
from models.layers import compiled
from models.layers.capsule import CapsuleNetwork
from models.losses.objective import create_objective

pytestmark = pytest.mark.extras
B, N, V, D, K, T = 7, 33, 12, 8, 3, 5  # more negatives than items: accidental hits in every row


def both(monkeypatch, compute):
    """What `compute` gives with and without compiled passes."""
    found = []
    for has in (True, False):
        monkeypatch.setattr(compiled, "ON", has)
        found.append(compute())
    return found


def with_gradients(function, *tensors, parameters=()):
    """The value of a layer's output, and gradients of its weighted sum by tensors and parameters."""
    leaves = [paddle.to_tensor(one, stop_gradient=False) for one in tensors]
    value = function(*leaves)
    weight = paddle.to_tensor(np.random.default_rng(5).normal(size=value.shape).astype("float32"))
    return [value.numpy(), *(one.numpy() for one in paddle.grad((value * weight).sum(), [*leaves, *parameters]))]


def close(one, other):
    for own, plain in zip(one, other, strict=True):
        np.testing.assert_allclose(own, plain, rtol=2e-5, atol=2e-6)


# Not larger: Paddle's own cross-entropy is never above 64.
@pytest.mark.parametrize("scale", [0.1, 3.0, 9.0])
@pytest.mark.parametrize(
    "options",
    [{}, {"log_q": False}, {"temperature": 0.2}, {"hard_negative_beta": 1.0}, {"hard_negative_beta": 0.4}],
    ids=str,
)
def test_the_sampled_loss(monkeypatch, options, scale):
    rng = np.random.default_rng(1)
    rows = [(scale * rng.normal(size=(count, D)) / D).astype("float32") for count in (B, B, N)]
    target, candidate = (paddle.to_tensor(rng.integers(1, V + 1, count)) for count in (B, N))
    options = {"log_q": True, "temperature": 1.0, **options}
    objective = create_objective(negatives="log_uniform", item_num=V, neg_samples=N, **options)

    def compute():
        return with_gradients(lambda user, own, other: objective(user, own, target, other, candidate), *rows)

    close(*both(monkeypatch, compute))


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_a_row_whose_candidates_are_all_its_target(monkeypatch, beta):
    rows = [np.full((count, D), 0.5, "float32") for count in (2, 2, 3)]
    target, candidate = paddle.to_tensor([4, 5]), paddle.to_tensor([4, 4, 4])
    objective = create_objective(
        negatives="uniform", item_num=V, neg_samples=3, log_q=False, temperature=1.0, hard_negative_beta=beta
    )

    def compute():
        return with_gradients(lambda user, own, other: objective(user, own, target, other, candidate), *rows)

    own, plain = both(monkeypatch, compute)
    assert own[0][0] == plain[0][0] == 0.0
    close(own, plain)


def test_what_is_no_number_stays_none(monkeypatch):
    rows = [np.ones((count, D), "float32") for count in (2, 2, 3)]
    rows[0][1] = np.nan
    target, candidate = paddle.to_tensor([4, 5]), paddle.to_tensor([1, 2, 3])
    objective = create_objective(negatives="uniform", item_num=V, neg_samples=3, log_q=False, temperature=1.0)
    loss = objective(*map(paddle.to_tensor, rows[:2]), target, paddle.to_tensor(rows[2]), candidate)
    assert np.isnan(loss.numpy()).tolist() == [False, True]


@pytest.mark.parametrize("rounds", [1, 2, 3])
@pytest.mark.parametrize("bilinear_type", [0, 1])
def test_routing(monkeypatch, bilinear_type, rounds):
    rng = np.random.default_rng(2)
    network = CapsuleNetwork(D, T, bilinear_type, K, rounds)
    item_eb, logits = rng.normal(size=(B, T, D)).astype("float32"), rng.normal(size=(B, K, T)).astype("float32")
    mask = (np.arange(T) < rng.integers(1, T + 1, (B, 1))).astype("float32")
    mask[0] = 0.0  # an empty history
    item_eb[1] = 0.0
    weights = [network.linear.weight]

    def compute():
        rest = (paddle.to_tensor(mask), paddle.to_tensor(logits))
        coupling = network.route(paddle.to_tensor(item_eb), *rest)[1].numpy()
        return [*with_gradients(lambda rows: network.route(rows, *rest)[0], item_eb, parameters=weights), coupling]

    calls = []
    monkeypatch.setattr("models.layers.capsule.Routing.apply", counted(calls, paddle_apply()))
    own, plain = both(monkeypatch, compute)
    assert len(calls) == 2  # so one of both is compiled
    close(own, plain)


def paddle_apply():
    from models.layers.fused_routing import Routing

    return Routing.apply


def counted(calls, function):
    def call(*args):
        calls.append(args)
        return function(*args)

    return call


def test_a_step_behind_an_encoder(monkeypatch):
    """The compiled routing hands its gradient on to what made the rows."""
    paddle.seed(1)
    options = {"encoder": "transformer", "routing_logits": "fixed", "negatives": "full"}
    model = MODELS["mind"](item_count=V + 1, embedding_dim=D, maxlen=T, interest_num=K, **options)
    model.train()
    rng = np.random.default_rng(4)
    hist_item, target_item = (paddle.to_tensor(rng.integers(1, V + 1, shape)) for shape in ((B, T), (B,)))
    seq_len = paddle.to_tensor(rng.integers(1, T + 1, B))

    def compute():
        loss = model.loss(hist_item, target_item, seq_len)
        return [loss.numpy(), *(one.numpy() for one in paddle.grad(loss, model.parameters()))]

    close(*both(monkeypatch, compute))
