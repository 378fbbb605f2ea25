"""Optimizers of looked-up rows, against Paddle's own and against the formula."""

import numpy as np
import paddle
import pytest
from paddle import nn

from models.layers import compiled
from tools.training.optimizers import LazyAdam, RowWiseAdagrad

V, D = 40, 8
RATE, EPSILON = 0.01, 1e-6
with_numba = pytest.param(True, marks=pytest.mark.extras)


def batches(steps=6):
    """Ids, which repeat, and gradients."""
    rng = np.random.default_rng(4)
    return [(rng.integers(1, V, 60), rng.normal(size=(60, D)).astype("float32")) for _ in range(steps)]


def new_table():
    paddle.seed(1)
    return nn.Embedding(V, D, sparse=True)


def train(table, optimizer, steps):
    for ids, gradient in steps:
        table(paddle.to_tensor(ids)).backward(paddle.to_tensor(gradient))
        optimizer.step()
        optimizer.clear_grad()
    return table.weight.numpy()


@pytest.mark.extras
def test_lazy_adam_is_paddle_s(monkeypatch):
    monkeypatch.setattr(compiled, "ON", True)
    one, other = new_table(), new_table()
    plain = paddle.optimizer.Adam(RATE, parameters=one.parameters(), lazy_mode=True)
    own = LazyAdam(learning_rate=RATE, parameters=other.parameters())
    np.testing.assert_allclose(train(other, own, batches()), train(one, plain, batches()), rtol=1e-5, atol=1e-7)
    names = [{key.replace(table.weight.name, "table") for key in adam.state_dict()} for table, adam in
             ((one, plain), (other, own))]  # fmt: skip
    assert names[0] == names[1]
    for theirs, ours in zip(plain.state_dict().values(), own.state_dict().values(), strict=True):
        if isinstance(theirs, paddle.Tensor):
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-9)


@pytest.mark.extras
def test_adam_of_dense_parameters_is_paddle_s(monkeypatch):
    monkeypatch.setattr(compiled, "ON", True)
    found = []
    for kind, options in ((paddle.optimizer.Adam, {"lazy_mode": True}), (LazyAdam, {})):
        paddle.seed(1)
        layer = nn.Linear(D, 5)
        optimizer = kind(learning_rate=RATE, parameters=layer.parameters(), **options)
        for _, gradient in batches():
            layer(paddle.to_tensor(gradient)).square().sum().backward()
            optimizer.step()
            optimizer.clear_grad()
        state = [one for one in optimizer.state_dict().values() if isinstance(one, paddle.Tensor)]
        found.append([one.numpy() for one in (*layer.parameters(), *state)])
    for own, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("has_numba", [False, with_numba])
def test_row_wise_adagrad_is_the_formula(monkeypatch, has_numba):
    monkeypatch.setattr(compiled, "ON", has_numba)
    table = new_table()
    weight, moment = table.weight.numpy().astype(np.float64), np.zeros((V, 1))
    for ids, gradient in batches():
        total = np.zeros((V, D))
        np.add.at(total, ids, gradient)
        moment += (total**2).mean(axis=1, keepdims=True)
        weight -= RATE * total / (np.sqrt(moment) + EPSILON)
    optimizer = RowWiseAdagrad(learning_rate=RATE, parameters=table.parameters(), epsilon=EPSILON)
    np.testing.assert_allclose(train(table, optimizer, batches()), weight, rtol=1e-4, atol=1e-6)
    (kept,) = (one for one in optimizer.state_dict().values() if isinstance(one, paddle.Tensor))
    assert kept.shape == [V, 1]


def test_row_wise_adagrad_of_dense_parameters():
    layer = nn.Linear(3, 2)
    before = [one.numpy() for one in layer.parameters()]
    optimizer = RowWiseAdagrad(learning_rate=RATE, parameters=layer.parameters())
    layer(paddle.to_tensor([[1.0, 2.0, -1.0]])).backward(paddle.to_tensor([[1.0, 3.0]]))
    optimizer.step()
    gradients = [np.outer([1.0, 2.0, -1.0], [1.0, 3.0]), np.array([1.0, 3.0])]
    moments = [(gradients[0] ** 2).mean(axis=1, keepdims=True), gradients[1] ** 2]
    for own, first, gradient, moment in zip(layer.parameters(), before, gradients, moments, strict=True):
        np.testing.assert_allclose(own.numpy(), first - RATE * gradient / np.sqrt(moment), rtol=1e-4)


@pytest.mark.parametrize("has_numba", [False, with_numba])
def test_row_wise_adagrad_resumes_to_the_bit(monkeypatch, has_numba):
    monkeypatch.setattr(compiled, "ON", has_numba)
    table = new_table()
    optimizer = RowWiseAdagrad(learning_rate=RATE, parameters=table.parameters())
    train(table, optimizer, batches()[:3])
    again, own = new_table(), None
    again.weight.set_value(table.weight.numpy())
    own = RowWiseAdagrad(learning_rate=RATE, parameters=again.parameters())
    own.set_state_dict(
        {key.replace(table.weight.name, again.weight.name): value for key, value in optimizer.state_dict().items()}
    )
    assert (train(again, own, batches()[3:]) == train(table, optimizer, batches()[3:])).all()
