"""The network on spectral factors: whom a fold has not seen, the likelihood by hand, and that learning helps."""

import numpy as np
import paddle
import pytest
from registry import USERS, training_items

from models import MODELS
from models.spectral.events import Events, Items, some_users
from models.spectral.likelihood import Likelihood, PopularityCurve

V, D, T = 40, 6, 3


def model(seed=0, items=None, **options):
    paddle.seed(seed)
    made = MODELS["spectral_net"](**{"item_count": V, "maxlen": T, "embedding_dim": D, "spectral_hidden": 8, **options})
    made.fit(items or training_items(V))
    made.eval()
    return made


def test_events_have_what_came_before_and_what_comes_from_them_on():
    events = Events(USERS, T)
    place = events.of(paddle.to_tensor([True, True, True]))
    assert place.tolist() == [1, 2, 3, 4, 7]  # the first event of a user has nothing before it
    before, real = events.before(place)
    rows = [row[mask].tolist() for row, mask in zip(before.numpy(), real.numpy(), strict=True)]
    assert rows == [[5], [6, 5], [7, 6, 5], [8, 7, 6], [2]]
    after, real = events.after(place)
    rows = [row[mask].tolist() for row, mask in zip(after.numpy(), real.numpy(), strict=True)]
    assert rows == [[6, 7, 8], [7, 8, 9], [8, 9], [9], [3]]
    assert events.of(paddle.to_tensor([False, True, True])).tolist() == [7]


def test_some_users_keep_their_items():
    kept = some_users(USERS, np.array([True, False, True]))
    assert kept.values.tolist() == [5, 6, 7, 8, 9, 2, 3]
    assert kept.offsets.tolist() == [0, 5, 7]


def test_the_likelihood_by_hand():
    paddle.seed(0)
    likelihood = Likelihood(np.array([1, 1, 2, 3, 3, 3]), 4)
    likelihood.shape.set_value(paddle.to_tensor([0.3, 0.2, -0.1]))
    likelihood.wanted.height.set_value(paddle.linspace(-0.5, 0.5, len(likelihood.wanted.height)))
    target, negative = np.array([[1, 3]]), np.array([2, 3])
    score, other = np.array([[0.7, -0.4]]), np.array([[0.1, 0.9]])

    def mass(item, score):
        line = np.log1p([0, 2, 1, 3])[item] / np.log1p(3) - 0.5
        return np.log1p(np.exp(np.exp(0.3) * score * np.exp(line) - 0.2)) ** np.exp(-0.1)

    rest = 3 * mass(negative, other).mean()  # two negatives stand for three items
    own = mass(target, score)
    expected = -(np.array([0.75, 0.25]) * np.log(own / (own + rest))).sum()
    given = (score.astype("float32"), np.array([[0.75, 0.25]], "float32"), other.astype("float32"))
    score, share, other = map(paddle.to_tensor, given)
    got = likelihood(paddle.to_tensor(target), score, share, paddle.to_tensor(negative), other)
    assert float(got) == pytest.approx(expected, rel=1e-4)


def test_a_popularity_curve_begins_at_one_and_is_a_broken_line():
    curve = PopularityCurve(paddle.to_tensor([0.0, 1.0, 3.0, 15.0]))
    assert curve(paddle.arange(4)).tolist() == [1.0] * 4
    knots = np.linspace(0, 1, len(curve.height)).astype("float32")
    curve.height.set_value(paddle.to_tensor(knots**2))
    line = np.interp(np.log2([1, 2, 4, 16]) / 4, knots, knots**2)
    np.testing.assert_allclose(curve(paddle.arange(4)).detach().numpy(), np.exp(line), rtol=1e-5)


@pytest.mark.extras
def test_a_fold_has_not_seen_its_users():
    def folds(items):
        paddle.seed(3)
        made = MODELS["spectral_net"](item_count=V, maxlen=T, embedding_dim=D, spectral_hidden=8)
        _, right, column = made.factorise(training_items(V))
        return list(made.held_out(items, right / column))

    plain = folds(training_items(V))
    own = np.stack([chosen.numpy() for chosen, _, _ in plain])
    assert (own.sum(axis=0) == 1).all()  # each user in one fold
    changed = training_items(V)
    user = int(own[2].nonzero()[0][0])
    changed.values[changed.offsets[user] : changed.offsets[user + 1]] = 1
    for number, (before, after) in enumerate(zip(plain, folds(changed), strict=True)):
        same = np.allclose((before[1] @ before[2].T).numpy(), (after[1] @ after[2].T).numpy(), atol=1e-5)
        assert same == (number == 2)


@pytest.mark.extras
def test_an_untaught_network_is_the_spectral_model(monkeypatch):
    monkeypatch.setattr("models.spectral.net.RATE", 0.0)
    history = paddle.to_tensor([[5, 9, 2], [7, 0, 0]]), paddle.to_tensor([3, 1])
    network = model(interest_num=1)
    paddle.seed(0)
    plain = MODELS["spectral"](item_count=V, maxlen=T, embedding_dim=D, interest_num=1)
    plain.fit(training_items(V))
    got, expected = (
        paddle.matmul(one(*history)[:, 0], one.item_vectors(), transpose_y=True).numpy() for one in (network, plain)
    )
    ratio = got[:, 1:] / expected[:, 1:]  # the history is normalised: a factor a user
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1], ratio.shape), rtol=2e-2)


@pytest.mark.extras
@pytest.mark.parametrize("users", [1, 3, 30])
def test_small_data_have_finite_interests(users):
    network = model(items=training_items(9, users=users, length=6), item_count=9, embedding_dim=16)  # rank above items
    assert network.rank == 9
    interests = network(paddle.to_tensor([[1, 2, 3]]), paddle.to_tensor([3]))
    assert paddle.isfinite(interests).all()
    assert paddle.isfinite(network.item_vectors()).all()


@pytest.mark.extras
def test_users_with_one_item_each_teach_nothing():
    with pytest.raises(ArithmeticError, match="no training user has two items"):
        model(items=training_items(V, users=20, length=1))


def pairs(users, seed):
    """Users whose third item is the parity of the first two, which no sum over the history can say."""
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 2, (2, users))
    rows = np.stack([1 + first, 3 + second, 5 + (first ^ second), 7 + rng.integers(0, 2, users)], axis=1)
    return Items(rows.ravel().astype("int32"), np.arange(0, 4 * users + 1, 4))


@pytest.mark.extras
def test_the_network_learns_what_no_sum_over_the_history_can_say(monkeypatch):
    monkeypatch.setattr("models.spectral.net.RATE", 3e-2)
    options = {"item_count": 9, "maxlen": 4, "interest_num": 1, "embedding_dim": 8, "items": pairs(2000, 0)}
    options |= {"spectral_epochs": 20, "spectral_outlook": 0.01, "spectral_backward": 0.0, "spectral_smoothing": 1.0}
    hist_item = paddle.to_tensor([[1 + a, 3 + b] for a in (0, 1) for b in (0, 1)])

    def chosen(seed):
        network = model(seed=seed, **options)
        interests = network(hist_item, paddle.full([4], 2, "int64"))
        scores = paddle.matmul(interests[:, 0], network.item_vectors(), transpose_y=True)
        return scores.numpy()[:, 5:7].argmax(axis=1).tolist()

    assert any(chosen(seed) == [0, 1, 1, 0] for seed in (2, 5, 6))  # one start of three ends in a poorer optimum
