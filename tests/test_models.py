"""The contract that every registered model keeps; a new model is covered by its line in the registry."""

import math

import numpy as np
import paddle
import pytest

from models import MODELS
from tools.config import constructor_options

V, D, T, K, B = 60, 8, 6, 4, 5


def build(name, seed=0, **options):
    paddle.seed(seed)
    common = {"item_count": V, "embedding_dim": D, "maxlen": T, "neg_samples": 20}
    return MODELS[name](**{**common, **options})


def histories(seed=0):
    rng = np.random.default_rng(seed)
    seq_len = np.array([6, 4, 3, 2, 1])
    hist_item = np.where(np.arange(T) < seq_len[:, None], rng.integers(1, V, (B, T)), 0)
    return paddle.to_tensor(hist_item), paddle.to_tensor(seq_len), paddle.to_tensor(rng.integers(1, V, B))


def optimizer(model):
    return paddle.optimizer.Adam(0.05, parameters=model.parameters(), lazy_mode=True)


def train(model, steps):
    hist_item, seq_len, target_item = histories()
    steps_of = optimizer(model)
    losses = []
    for _ in range(steps):
        loss = model.loss(hist_item, target_item, seq_len)
        loss.backward()
        steps_of.step()
        steps_of.clear_grad()
        losses.append(float(loss))
    return losses


every_model = pytest.mark.parametrize("name", MODELS)


@every_model
def test_forward_gives_interests_and_route_their_coupling(name):
    model = build(name)
    model.eval()
    hist_item, seq_len, _ = histories()
    interests, coupling = model.route(hist_item, seq_len)
    assert model(hist_item, seq_len).shape == [B, K, D]
    assert coupling.shape == [B, K, T]
    np.testing.assert_array_equal(model(hist_item, seq_len).numpy(), interests.numpy())
    assert not coupling.numpy()[:, :, 1:][seq_len.numpy() == 1].any()


@every_model
def test_same_history_same_interests_at_inference_in_any_company(name):
    model = build(name)
    model.eval()
    hist_item, seq_len, _ = histories()
    whole = model(hist_item, seq_len).numpy()
    for user in range(B):
        np.testing.assert_allclose(
            model(hist_item[user : user + 1], seq_len[user : user + 1]).numpy()[0], whole[user], atol=1e-6
        )


@every_model
def test_what_stands_behind_the_end_of_a_history_does_not_matter(name):
    model = build(name)
    model.eval()
    hist_item, seq_len, _ = histories()
    dirty = paddle.where(hist_item == 0, paddle.full_like(hist_item, 7), hist_item)
    np.testing.assert_allclose(model(dirty, seq_len).numpy(), model(hist_item, seq_len).numpy(), atol=1e-6)


@every_model
def test_full_loss_starts_at_chance_and_falls(name):
    losses = train(build(name, negatives="full", init_std=0.01), 30)
    assert losses[0] == pytest.approx(math.log(V - 1), abs=0.05)
    assert losses[-1] < 0.6 * losses[0]


@every_model
@pytest.mark.parametrize("negatives", ["log_uniform", "uniform", "full"])
def test_padding_row_stays_zero(name, negatives):
    model = build(name, negatives=negatives)
    train(model, 5)
    assert not model.item_table.weight.numpy()[0].any()
    assert not model.item_vectors().numpy()[0].any()


@every_model
def test_a_step_changes_only_rows_that_it_looked_up(name):
    model = build(name, item_count=5000)
    before = model.item_table.weight.numpy()
    train(model, 1)
    changed = np.flatnonzero((model.item_table.weight.numpy() != before).any(axis=1))
    assert 10 < len(changed) < 60  # at most B·T + B + n of 5,000


@every_model
def test_every_parameter_gets_a_gradient(name):
    model = build(name)
    hist_item, seq_len, target_item = histories()
    model.loss(hist_item, target_item, seq_len).backward()
    still = [key for key, value in model.named_parameters() if value.grad is None]
    assert not still


@every_model
def test_cosine_gives_unit_vectors(name):
    model = build(name, similarity="cosine", temperature=0.1)
    hist_item, seq_len, _ = histories()
    np.testing.assert_allclose(np.linalg.norm(model(hist_item, seq_len).numpy(), axis=2), 1.0, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(model.item_vectors().numpy()[1:], axis=1), 1.0, atol=1e-4)
    assert np.isfinite(train(model, 3)).all()


@every_model
def test_empty_history_is_finite_in_value_and_gradient(name):
    model = build(name, similarity="cosine")
    hist_item, target_item = paddle.zeros([2, T], dtype="int64"), paddle.to_tensor([1, 2])
    loss = model.loss(hist_item, target_item, paddle.zeros([2], dtype="int64"))
    loss.backward()
    assert np.isfinite(float(loss))
    dense = [value.grad.numpy() for key, value in model.named_parameters() if "item_table" not in key]
    assert all(np.isfinite(one).all() for one in dense)


@every_model
def test_state_dict_carries_the_whole_model(name):
    one, other = build(name, seed=1), build(name, seed=2)
    train(one, 2)
    other.set_state_dict(one.state_dict())
    one.eval(), other.eval()
    hist_item, seq_len, _ = histories()
    np.testing.assert_array_equal(one(hist_item, seq_len).numpy(), other(hist_item, seq_len).numpy())


@every_model
def test_one_seed_one_run(name):
    assert train(build(name), 3) == train(build(name), 3)


@every_model
def test_loss_is_that_of_the_rows(name):
    """What follows the look-up can run on its own: the trainer of another graph calls it so."""
    model = build(name)
    model.eval()  # no draw inside
    hist_item, seq_len, target_item = histories()
    paddle.seed(9)
    whole = float(model.loss(hist_item, target_item, seq_len))
    paddle.seed(9)
    assert float(model.loss_from_rows(*model.look_up(hist_item, target_item, seq_len))) == whole


@every_model
def test_options_are_keyword_only_and_documented(name):
    assert {"item_count", "embedding_dim", "maxlen", "interest_num"} <= constructor_options(MODELS[name])
    assert MODELS[name].__doc__
    with pytest.raises(TypeError):
        MODELS[name](V, D, T)


@every_model
def test_dynamic_interest_number_follows_the_length(name):
    model = build(name, dynamic_interest_num=True)
    hist_item, seq_len, target_item = histories()
    live = model.live_interests(seq_len).numpy()
    np.testing.assert_array_equal(live.sum(axis=1), [max(1, min(K, n.bit_length() - 1)) for n in seq_len.tolist()])
    assert not model(hist_item, seq_len).numpy()[~live].any()
    assert np.isfinite(float(model.loss(hist_item, target_item, seq_len)))


def test_live_interests_at_powers_of_two():
    from models.functional import live_mask

    length = np.arange(0, 70)
    got = live_mask(paddle.to_tensor(length), 5, True).numpy().sum(axis=1)
    assert got.tolist() == [max(1, min(5, int(n).bit_length() - 1)) for n in length]
    assert live_mask(paddle.to_tensor(length), 5, False).numpy().all()
