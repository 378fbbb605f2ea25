"""Two towers: the user's against NumPy, and the item's, which training and retrieval share."""

from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from models.two_tower import TwoTower

V, D, T, K = 30, 4, 9, 4
LENGTHS = np.array([9, 5, 2, 1, 0])
B = len(LENGTHS)
USER_FEATURES = SimpleNamespace(token_num=9, feature_num=2)


def build(**options):
    paddle.seed(2)
    model = TwoTower(item_count=V, embedding_dim=D, maxlen=T, neg_samples=10, **options)
    for one in model.user_tower.parameters() + model.item_tower.parameters():  # biases are zero at first
        one.set_value(paddle.randn(one.shape) * 0.5)
    model.eval()
    return model


def histories():
    hist_item = np.where(np.arange(T) < LENGTHS[:, None], np.random.default_rng(0).integers(1, V, (B, T)), 0)
    return paddle.to_tensor(hist_item), paddle.to_tensor(LENGTHS)


def tower(layers, vector):
    """A tower by hand: ReLU after each layer but the last."""
    values = [one.numpy().astype(np.float64) for one in layers.parameters()]
    pairs = list(zip(values[::2], values[1::2], strict=True))
    for weight, bias in pairs[:-1]:
        vector = np.maximum(vector @ weight + bias, 0)
    return vector @ pairs[-1][0] + pairs[-1][1]


def table(model):
    return model.item_table.weight.numpy().astype(np.float64)


@pytest.mark.parametrize("sizes, shapes", [(None, [4 * D]), ([], []), ([6, 3], [6, 3])])
def test_one_interest_is_the_tower_over_the_mean(sizes, shapes):
    model = build(tower_sizes=sizes)
    hist_item, seq_len = histories()
    interests, coupling = model.route(hist_item, seq_len)
    assert (interests.shape, coupling.shape) == ([B, 1, D], [B, 1, T])
    mean = table(model)[hist_item.numpy()].sum(axis=1) / np.maximum(LENGTHS, 1)[:, None]
    np.testing.assert_allclose(interests.numpy()[:, 0], tower(model.user_tower, mean), atol=1e-5)
    for layers in (model.user_tower, model.item_tower):
        assert [one.shape[0] for one in layers.parameters()[1::2]] == [*shapes, D]


def test_the_number_of_interests_is_one_for_the_mean():
    model = build(interest_num=K, dynamic_interest_num=True)
    hist_item, seq_len = histories()
    assert model.live_interests(seq_len).numpy().tolist() == [[True]] * B
    assert model(hist_item, seq_len).shape == [B, 1, D]


@pytest.mark.parametrize("context", [False, True])
def test_the_context_is_joined_to_every_capsule(context):
    model = build(interests="mind", tower_sizes=[6], user_features=USER_FEATURES if context else None)
    hist_item, seq_len = histories()
    hist_eb, mask = model.item_table(hist_item), (np.arange(T) < LENGTHS[:, None]).astype("float32")
    capsules, coupling = model.extractor.route(hist_eb, paddle.to_tensor(mask))
    known = np.random.default_rng(1).normal(size=(B, model.context_size)).astype("float32")
    interests, same = model.route_rows(hist_eb, seq_len, paddle.to_tensor(known) if context else None)
    joined = np.concatenate([capsules.numpy(), np.tile(known[:, None], (1, K, 1))], axis=2)  # [B, K, D + P]
    assert joined.shape == (B, K, 3 * D if context else D)
    np.testing.assert_allclose(interests.numpy(), tower(model.user_tower, joined), atol=1e-5)
    np.testing.assert_array_equal(same.numpy(), coupling.numpy())
    assert coupling.shape == [B, K, T]


def test_dead_interests_stay_zero_behind_the_tower():
    model = build(interests="mind", dynamic_interest_num=True)
    hist_item, seq_len = histories()
    interests, live = model(hist_item, seq_len).numpy(), model.live_interests(seq_len).numpy()
    assert live.sum(axis=1).tolist() == [3, 2, 1, 1, 1]
    np.testing.assert_array_equal(interests.any(axis=2), live)


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_item_vectors_are_the_item_tower_s_and_padding_has_none(similarity):
    model = build(similarity=similarity)
    got, want = model.item_vectors().numpy(), tower(model.item_tower, table(model))
    assert want[0].any()  # by the biases
    assert not got[0].any()
    if similarity == "cosine":
        want /= np.linalg.norm(want, axis=1, keepdims=True)
    np.testing.assert_allclose(got[1:], want[1:], atol=1e-5)


@pytest.mark.parametrize("interests", ["mean", "mind"])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_the_loss_compares_what_retrieval_compares(interests, similarity):
    """Full softmax over the best interest's products with the item vectors."""
    model = build(interests=interests, similarity=similarity, negatives="full")
    hist_item, seq_len = histories()
    vectors, target = model.item_vectors().numpy()[1:], np.arange(1, B + 1)
    scores = model(hist_item, seq_len).numpy() @ vectors.T  # [B, K, V]
    best = scores[np.arange(B), :, target - 1].argmax(axis=1)
    logits = scores[np.arange(B), best].astype(np.float64)  # [B, V]
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(B), target - 1]
    loss = float(model.loss(hist_item, paddle.to_tensor(target), seq_len))
    np.testing.assert_allclose(loss, losses.mean(), rtol=1e-4)


@pytest.mark.parametrize("negatives", ["uniform", "in_batch", "full"])
def test_the_padding_row_learns_nothing(negatives):
    model = build(negatives=negatives)
    hist_item, seq_len = histories()
    optimizer = paddle.optimizer.SGD(0.1, parameters=model.parameters())
    model.loss(hist_item, paddle.to_tensor([[1, 2], [3, 0], [4, 5], [6, 0], [0, 0]]), seq_len).backward()
    optimizer.step()
    assert not table(model)[0].any()
    assert not model.item_vectors().numpy()[0].any()


def test_the_catalogue_in_parts_is_the_catalogue(monkeypatch):
    model = build()
    whole = model.item_vectors().numpy()
    monkeypatch.setattr("models.two_tower.CHUNK", 7)
    np.testing.assert_allclose(model.item_vectors().numpy(), whole, atol=1e-6)
