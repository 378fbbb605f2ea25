"""Models with one interest: YouTube DNN and GRU4Rec, against NumPy."""

from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from models import MODELS
from models.gru4rec import LastState
from models.layers.mean_pooling import MeanPooling

V, D, T, B = 30, 4, 5, 4
LENGTHS = [5, 3, 1, 0]
MASK = (np.arange(T) < np.array(LENGTHS)[:, None]).astype("float32")


def build(name, **options):
    paddle.seed(2)
    model = MODELS[name](item_count=V, embedding_dim=D, maxlen=T, neg_samples=10, **options)
    model.eval()
    return model


def histories():
    hist_item = np.where(MASK > 0, np.random.default_rng(0).integers(1, V, (B, T)), 0)
    return paddle.to_tensor(hist_item), paddle.to_tensor(LENGTHS)


def rows_of(model, hist_item):
    return model.item_table.weight.numpy().astype(np.float64)[hist_item.numpy()]  # [B, T, D]


def relu(x):
    return np.maximum(x, 0)


def layers(tower):
    """Weight and bias of each linear layer."""
    values = [one.numpy().astype(np.float64) for one in tower.parameters()]
    return list(zip(values[::2], values[1::2], strict=True))


def test_the_mean_is_that_of_the_real_behaviours():
    item_eb = np.random.default_rng(0).normal(size=(B, T, D)).astype("float32")
    interests, coupling = MeanPooling().route(paddle.to_tensor(item_eb), paddle.to_tensor(MASK))
    for user, length in enumerate(LENGTHS):
        want = item_eb[user, :length].mean(axis=0) if length else np.zeros(D)
        np.testing.assert_allclose(interests.numpy()[user, 0], want, atol=1e-6)
        np.testing.assert_allclose(
            coupling.numpy()[user, 0, :length], [1 / length] * length if length else [], rtol=1e-6
        )
    assert coupling.shape == [B, 1, T]
    assert not coupling.numpy()[:, 0][MASK == 0].any()


@pytest.mark.parametrize("sizes", [None, [], [6], [6, 3]])
def test_youtube_dnn_by_hand(sizes):
    model = build("youtube_dnn", tower_sizes=sizes)
    hist_item, seq_len = histories()
    vector = rows_of(model, hist_item).sum(axis=1) / np.maximum(seq_len.numpy(), 1)[:, None]
    *hidden, (weight, bias) = layers(model.user_tower)
    assert [one.shape[1] for one, _ in hidden] == (sizes or [])
    for one, shift in hidden:
        vector = relu(vector @ one + shift)
    np.testing.assert_allclose(model(hist_item, seq_len).numpy()[:, 0], vector @ weight + bias, atol=1e-6)


def test_youtube_dnn_joins_user_features_in_its_one_tower():
    model = build("youtube_dnn", user_features=SimpleNamespace(token_num=9, feature_num=2), tower_sizes=[6])
    hist_item, seq_len = histories()
    context = np.random.default_rng(1).normal(size=(B, 2 * D)).astype("float32")
    interests, _ = model.route_rows(model.item_table(hist_item), seq_len, paddle.to_tensor(context))
    mean = rows_of(model, hist_item).sum(axis=1) / np.maximum(seq_len.numpy(), 1)[:, None]
    (first, shift), (last, bias) = layers(model.user_tower)
    want = relu(np.concatenate([mean, context], axis=1) @ first + shift) @ last + bias
    np.testing.assert_allclose(interests.numpy()[:, 0], want, atol=1e-6)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru(rows, net):
    """The state after the last of one user's rows `[n, D]`, from the formula in Paddle's documentation."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weight_x, weight_h, bias_x, bias_h = (getattr(net, f"{name}_l0").numpy().astype(np.float64) for name in names)
    state = np.zeros(D)
    for row in rows:
        (r_x, z_x, c_x), (r_h, z_h, c_h) = np.split(weight_x @ row + bias_x, 3), np.split(weight_h @ state + bias_h, 3)
        z = sigmoid(z_x + z_h)
        state = z * state + (1 - z) * np.tanh(c_x + sigmoid(r_x + r_h) * c_h)
    return state


@pytest.mark.parametrize("padding", [0.0, 100.0])
def test_gru4rec_is_the_state_after_the_last_behaviour(padding):
    paddle.seed(2)
    net = LastState(hidden_size=D)
    item_eb = np.random.default_rng(0).normal(size=(B, T, D)).astype("float32")
    item_eb[MASK == 0] = padding
    interests, coupling = net.route(paddle.to_tensor(item_eb), paddle.to_tensor(MASK))
    for user, length in enumerate(LENGTHS):
        want = gru(item_eb[user, :length].astype(np.float64), net.gru)  # zero for an empty history
        np.testing.assert_allclose(interests.numpy()[user, 0], want, atol=1e-6)
    np.testing.assert_array_equal(coupling.numpy()[:, 0].sum(axis=1), [1, 1, 1, 0])
    np.testing.assert_array_equal(coupling.numpy()[:, 0].argmax(axis=1), [4, 2, 0, 0])


@pytest.mark.parametrize("net", [LastState(hidden_size=D), MeanPooling()], ids=lambda net: type(net).__name__)
def test_no_gradient_reaches_padding(net):
    item_eb = paddle.randn([B, T, D])
    item_eb.stop_gradient = False
    interests, _ = net.route(item_eb, paddle.to_tensor(MASK))
    paddle.square(interests).sum().backward()
    np.testing.assert_array_equal(item_eb.grad.numpy().any(axis=2), MASK > 0)


@pytest.mark.parametrize("name", ["youtube_dnn", "gru4rec"])
def test_there_is_one_interest_and_it_is_live(name):
    model = build(name)
    hist_item, seq_len = histories()
    assert model(hist_item, seq_len).shape == [B, 1, D]
    np.testing.assert_array_equal(model.live_interests(seq_len).numpy(), np.ones((B, 1), bool))
