"""The contract that every registered model keeps; a new model is covered by its line in the registry.

Two parts: the interface, which every model has, and the gradient, for those that the trainer fits.
"""

import math
from types import SimpleNamespace

import numpy as np
import paddle
import pytest
from registry import GRADIENT, SEVERAL, create, every_model, gradient_models, several_interests, training_items

from models import MODELS
from models.losses.spread import interest_spread
from tools.config.load import constructor_options

V, D, T, K, B = 60, 8, 6, 4, 5


def build(name, seed=0, **options):
    """An untrained model."""
    paddle.seed(seed)
    return create(name, **{"item_count": V, "embedding_dim": D, "maxlen": T, "neg_samples": 20, **options})


def ready(name, seed=0, **options):
    """A model that can answer: one with a `fit` of its own is fitted to random users."""
    model = build(name, seed, **options)
    if hasattr(model, "fit"):
        model.fit(training_items(V, seed=seed))
    model.eval()
    return model


def histories(seed=0):
    rng = np.random.default_rng(seed)
    seq_len = np.array([6, 4, 3, 2, 1])
    hist_item = np.where(np.arange(T) < seq_len[:, None], rng.integers(1, V, (B, T)), 0)
    return paddle.to_tensor(hist_item), paddle.to_tensor(seq_len), paddle.to_tensor(rng.integers(1, V, B))


# The interface


@every_model
def test_forward_gives_interests_and_route_their_coupling(name):
    model = ready(name)
    hist_item, seq_len, _ = histories()
    interests, coupling = model.route(hist_item, seq_len)
    kinds = K if name in SEVERAL and model.interest_num > 1 else 1
    assert interests.shape[:2] == model.live_interests(seq_len).shape == [B, kinds]
    assert coupling.shape == [B, kinds, T]
    np.testing.assert_array_equal(model(hist_item, seq_len).numpy(), interests.numpy())
    assert not coupling.numpy()[:, :, 1:][seq_len.numpy() == 1].any()  # nothing comes from padding


@every_model
def test_interests_and_item_vectors_have_one_size(name):
    model = ready(name)
    hist_item, seq_len, _ = histories()
    size = model(hist_item, seq_len).shape[2]
    if model.gives_scores:
        assert size == V - 1
    else:
        assert model.item_vectors().shape == [V, size]
        assert not model.item_vectors().numpy()[0].any()


@every_model
def test_same_history_same_interests_at_inference_in_any_company(name):
    model = ready(name)
    hist_item, seq_len, _ = histories()
    whole = model(hist_item, seq_len).numpy()
    for user in range(B):
        one = model(hist_item[user : user + 1], seq_len[user : user + 1]).numpy()[0]
        # Another batch is another order of sums.
        np.testing.assert_allclose(one, whole[user], atol=3e-5 * max(1.0, np.abs(whole[user]).max()))


@every_model
def test_what_stands_behind_the_end_of_a_history_does_not_matter(name):
    model = ready(name)
    hist_item, seq_len, _ = histories()
    dirty = paddle.where(hist_item == 0, paddle.full_like(hist_item, 7), hist_item)
    np.testing.assert_allclose(model(dirty, seq_len).numpy(), model(hist_item, seq_len).numpy(), rtol=1e-5, atol=1e-6)


@every_model
def test_an_empty_history_gives_finite_interests(name):
    model = ready(name)
    interests = model(paddle.zeros([2, T], dtype="int64"), paddle.zeros([2], dtype="int64"))
    assert np.isfinite(interests.numpy()).all()


@every_model
def test_state_dict_carries_the_whole_model(name):
    one, other = ready(name, seed=1), build(name, seed=2)
    other.set_state_dict(one.state_dict())
    other.eval()
    hist_item, seq_len, _ = histories()
    np.testing.assert_array_equal(one(hist_item, seq_len).numpy(), other(hist_item, seq_len).numpy())


@every_model
def test_options_are_keyword_only(name):
    assert {"item_count", "maxlen"} <= constructor_options(MODELS[name])
    assert hasattr(MODELS[name], "fit") != hasattr(MODELS[name], "loss")
    with pytest.raises(TypeError):
        MODELS[name](V, D, T)


@several_interests
def test_one_interest_where_one_is_asked_for(name):
    hist_item, seq_len, _ = histories()
    assert ready(name, interest_num=1)(hist_item, seq_len).shape[1] == 1


# The gradient


def train(model, steps, *, targets=None, context=()):
    hist_item, seq_len, target_item = histories()
    target_item = target_item if targets is None else targets
    optimizer = paddle.optimizer.Adam(0.05, parameters=model.parameters(), lazy_mode=True)
    losses = []
    model.train()
    for _ in range(steps):
        optimizer.clear_grad()
        loss = model.loss(hist_item, target_item, seq_len, *context)
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses


@gradient_models
def test_full_loss_starts_at_chance_and_falls(name):
    losses = train(build(name, negatives="full", init_std=0.001, **quiet(name)), 30)
    assert losses[0] == pytest.approx(math.log(V - 1), abs=0.2)
    assert losses[-1] < 0.6 * losses[0]


def quiet(name):
    """Options that leave the objective alone: no regularisation, no hard negatives, no targets within histories."""
    weights = ("routing_regularization", "re4_contrast_weight", "re4_attend_weight", "re4_construct_weight")
    options = {key: 0.0 for key in weights if key in constructor_options(MODELS[name])}
    return {**options, "hard_negative_beta": 0.0, "all_positions": False}


@gradient_models
@pytest.mark.parametrize("negatives", ["log_uniform", "uniform", "unigram", "in_batch", "full"])
def test_padding_row_stays_zero(name, negatives):
    model = build(name, negatives=negatives)
    targets = paddle.to_tensor([[1, 2], [3, 0], [4, 5], [6, 0], [7, 8]])  # missing ones among them
    assert np.isfinite(train(model, 5, targets=targets)).all()
    assert not model.item_table.weight.numpy()[0].any()
    assert not model.item_vectors().numpy()[0].any()


@gradient_models
def test_a_step_changes_only_rows_that_it_looked_up(name):
    model = build(name, item_count=5000)
    before = model.item_table.weight.numpy()
    train(model, 1)
    changed = np.flatnonzero((model.item_table.weight.numpy() != before).any(axis=1))
    assert 10 < len(changed) < 60  # at most B·T + B + n of 5,000


@gradient_models
def test_every_parameter_gets_a_gradient(name):
    model = build(name)
    hist_item, seq_len, target_item = histories()
    model.loss(hist_item, target_item, seq_len).backward()
    still = [key for key, value in model.named_parameters() if value.grad is None]
    assert not still


@gradient_models
def test_cosine_gives_unit_vectors(name):
    model = build(name, similarity="cosine", temperature=0.1)
    hist_item, seq_len, _ = histories()
    np.testing.assert_allclose(np.linalg.norm(model(hist_item, seq_len).numpy(), axis=2), 1.0, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(model.item_vectors().numpy()[1:], axis=1), 1.0, atol=1e-4)
    assert np.isfinite(train(model, 3)).all()


@gradient_models
def test_empty_history_is_finite_in_value_and_gradient(name):
    model = build(name, similarity="cosine")
    hist_item, target_item = paddle.zeros([2, T], dtype="int64"), paddle.to_tensor([1, 2])
    loss = model.loss(hist_item, target_item, paddle.zeros([2], dtype="int64"))
    loss.backward()
    assert np.isfinite(float(loss))
    dense = [value.grad for key, value in model.named_parameters() if "item_table" not in key]
    assert all(np.isfinite(one.numpy()).all() for one in dense if one is not None)


@gradient_models
def test_one_seed_one_run(name):
    assert train(build(name), 3) == train(build(name), 3)


@gradient_models
def test_loss_is_that_of_the_rows(name):
    """What follows the look-up can run on its own: the trainer of another graph calls it so."""
    model = build(name)
    model.eval()  # no draw inside but re4's
    hist_item, seq_len, target_item = histories()
    paddle.seed(9)
    whole = float(model.loss(hist_item, target_item, seq_len))
    paddle.seed(9)
    assert float(model.loss_from_rows(*model.look_up(hist_item, target_item, seq_len))) == whole


@gradient_models
def test_the_loss_of_several_targets_is_the_mean_of_theirs(name):
    """Each with its own read-out; missing ones are left out."""
    model = build(name, negatives="full", **quiet(name))
    model.eval()
    hist_item, seq_len, _ = histories()
    targets = np.array([[1, 2, 3], [4, 0, 0], [5, 6, 0], [7, 8, 9], [10, 0, 0]])
    together = float(model.loss(hist_item, paddle.to_tensor(targets), seq_len))
    rows, columns = np.nonzero(targets)
    one_by_one = [
        float(model.loss(hist_item[r : r + 1], paddle.to_tensor(targets[r, c : c + 1]), seq_len[r : r + 1]))
        for r, c in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    assert together == pytest.approx(np.mean(one_by_one), rel=1e-5)


@gradient_models
@pytest.mark.parametrize("negatives", ["log_uniform", "uniform", "unigram", "in_batch", "full"])
@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_every_kind_of_negative_trains(name, negatives, beta):
    model = build(name, negatives=negatives, hard_negative_beta=beta, init_std=0.1)
    model.count_items(np.arange(V, 0, -1))
    losses = train(model, 24)
    assert np.isfinite(losses).all()
    assert np.mean(losses[-8:]) < np.mean(losses[:3])


@gradient_models
@pytest.mark.parametrize("negatives", ["uniform", "in_batch", "full"])
def test_gbce_trains(name, negatives):
    model = build(name, negatives=negatives, loss="gbce", **quiet(name), init_std=0.1)
    losses = train(model, 30)
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < np.mean(losses[:3])


@gradient_models
def test_dropout_draws_while_training_only(name):
    model = build(name, dropout=0.5)
    hist_item, seq_len, target_item = histories()
    losses = {float(loss_of(model, hist_item, target_item, seq_len)) for _ in range(4)}
    assert len(losses) == 4
    model.eval()
    losses = {float(loss_of(model, hist_item, target_item, seq_len)) for _ in range(4)}
    assert len(losses) == 1


def loss_of(model, *batch):
    paddle.seed(5)
    step = model.look_up(*batch)
    paddle.seed(int(np.random.default_rng().integers(2**31)))
    return model.loss_from_rows(*step)


def features(rows, feature_num=2, token_num=9, seed=0):
    """Features of items or users: up to three values a slot, none for row 0."""
    rng = np.random.default_rng(seed)
    count = rng.integers(0, 4, rows * feature_num)
    count[:feature_num] = 0
    tokens = rng.integers(0, token_num, count.sum()), np.concatenate([[0], np.cumsum(count)])
    return SimpleNamespace(feature_num=feature_num, token_num=token_num, tokens=tokens, count=count)


@gradient_models
@pytest.mark.parametrize("options", [{}, {"similarity": "cosine"}, {"negatives": "full"}], ids=str)
def test_profile_and_item_features_go_with_every_model(name, options):
    model = build(name, item_features=features(V), user_features=features(B), init_std=0.1, **options)
    users = features(B)
    context = paddle.to_tensor(users.tokens[0]), paddle.to_tensor(users.count)
    losses = train(model, 30, context=context)
    assert np.mean(losses[-5:]) < np.mean(losses[:2])
    still = {key for key, value in model.named_parameters() if value.grad is None}
    assert not still
    assert not model.item_table.weight.numpy()[0].any()
    assert not model.item_vectors().numpy()[0].any()
    model.eval()
    hist_item, seq_len, _ = histories()
    known, unknown = model(hist_item, seq_len, *context).numpy(), model(hist_item, seq_len).numpy()
    differs = np.abs(known - unknown).max(axis=(1, 2)) > 1e-6
    np.testing.assert_array_equal(differs, users.count.reshape(B, -1).any(axis=1))


TRAINED_BY_GRADIENT = pytest.mark.parametrize("name", [one for one in GRADIENT if one in SEVERAL])


@TRAINED_BY_GRADIENT
def test_dynamic_interest_number_follows_the_length(name):
    model = build(name, dynamic_interest_num=True, interests="mind")
    hist_item, seq_len, target_item = histories()
    live = model.live_interests(seq_len).numpy()
    np.testing.assert_array_equal(live.sum(axis=1), [max(1, min(K, n.bit_length() - 1)) for n in seq_len.tolist()])
    assert not model(hist_item, seq_len).numpy()[~live].any()
    assert np.isfinite(float(model.loss(hist_item, target_item, seq_len)))


@TRAINED_BY_GRADIENT
def test_interest_spread_is_added_with_its_weight_and_parts_interests(name):
    hist_item, seq_len, target_item = histories()
    options = {"negatives": "full", "interests": "mind", "routing_logits": "fixed"}
    plain, spread = build(name, **options), build(name, interest_spread_weight=2.0, **options)
    plain.eval(), spread.eval()
    value = interest_spread(plain(hist_item, seq_len), plain.live_interests(seq_len)).mean()
    paddle.seed(1)
    without = float(plain.loss(hist_item, target_item, seq_len))
    paddle.seed(1)
    assert float(spread.loss(hist_item, target_item, seq_len)) == pytest.approx(without - 2.0 * float(value), rel=1e-5)
    train(plain, 20), train(spread, 20)
    plain.eval(), spread.eval()
    live = plain.live_interests(seq_len)
    assert (
        interest_spread(spread(hist_item, seq_len), live).mean()
        > interest_spread(plain(hist_item, seq_len), live).mean()
    )


def test_interest_spread_by_hand():
    """Three live interests: two alike, one across; the fourth is dead."""
    interests = paddle.to_tensor([[[2.0, 0.0], [1.0, 0.0], [0.0, 5.0], [7.0, 7.0]]])
    live = paddle.to_tensor([[True, True, True, False]])
    assert interest_spread(interests, live).item() == pytest.approx(-(3 + 2) / 9)  # 3 with themselves, one pair twice


def test_live_interests_at_powers_of_two():
    from models.layers.functional import live_mask

    length = np.arange(0, 70)
    got = live_mask(paddle.to_tensor(length), 5, True).numpy().sum(axis=1)
    assert got.tolist() == [max(1, min(5, int(n).bit_length() - 1)) for n in length]
    assert live_mask(paddle.to_tensor(length), 5, False).numpy().all()
