"""What the student of spectral_mix learns: the loss by hand, its order of the items, and that it nears its teacher."""

import numpy as np
import paddle
import pytest
from registry import training_items

from models.base.recommender import Recommender
from models.layers.tower import Tower
from models.spectral import student
from models.spectral.events import Events
from models.spectral.student import Student
from models.spectral.subspaces import find_subspaces, in_own

V, R, K, SIZE, T = 30, 12, 3, 4, 5


def silent_tower():
    tower = Tower(input_size=R, output_size=K * SIZE, sizes=(8,))
    tower.layers[-1].weight.set_value(paddle.zeros_like(tower.layers[-1].weight))
    return tower


def made(seed=0, owner=None):
    """A student of random items, and its items, owners and bases."""
    paddle.seed(seed)
    whole = paddle.randn([V, R])
    whole[0] = 0.0
    owner, bases = find_subspaces(whole, K, SIZE) if owner is None else (owner, [paddle.randn([R, SIZE])] * K)
    return Student(whole=whole, owner=owner, bases=bases, tower=silent_tower()), whole, owner, bases


def probabilities(score):
    part = np.exp(score - score.max(axis=1, keepdims=True))
    return part / part.sum(axis=1, keepdims=True)


def test_it_begins_as_the_cut():
    pupil, whole, owner, bases = made()
    vectors = in_own(whole, owner, bases).numpy()
    np.testing.assert_allclose(pupil.item_vectors().numpy(), vectors, atol=1e-6)
    user = paddle.randn([2, R])
    interests = np.stack([user.numpy() @ basis.numpy() for basis in bases], axis=1)  # [2, K, SIZE]
    own = (interests[:, owner.numpy()] * vectors).sum(axis=2)  # [2, V]
    score = pupil.scores(user, paddle.arange(V - 1)).numpy()
    np.testing.assert_allclose(score, own[:, pupil.order.numpy()], atol=1e-5)
    assert sorted(pupil.order.tolist()) == list(range(1, V))  # padding is no item


def test_the_loss_by_hand():
    pupil, whole, _, _ = made()
    user, later = paddle.randn([2, R]), np.array([[3, 7, 9, 1], [5, 2, 2, 2]])
    real = np.array([[True, True, True, True], [True, False, False, False]])
    loss = pupil.loss_of(user, paddle.to_tensor(later), paddle.to_tensor(real), 0.2)
    beta, order = student.SHARPNESS, pupil.order.numpy()
    target = np.zeros([2, V])
    target[0, [3, 7, 9]], target[1, 5] = 1 / 3, 1.0  # the next three that are real
    wanted = 0.8 * probabilities(beta * user.numpy() @ whole.numpy()[order].T) + 0.2 * target[:, order]
    score = beta * pupil.scores(user, paddle.arange(V - 1)).detach().numpy()
    assert float(loss) == pytest.approx(-(wanted * np.log(probabilities(score))).sum(axis=1).mean(), rel=1e-5)


def test_part_of_a_large_catalogue_has_all_targets(monkeypatch):
    monkeypatch.setattr(student, "CATALOGUE", 6)
    pupil = made()[0]
    target = paddle.to_tensor([[4, 20], [20, 11]])
    chosen = pupil.some(target).tolist()
    assert chosen == sorted(set(chosen))
    assert {4, 11, 20} <= set(chosen)
    assert len(chosen) <= 10
    later = pupil.order[target]
    assert float(pupil.loss_of(paddle.randn([2, R]), later, paddle.ones_like(later).astype("bool"), 0.1)) > 0


def test_an_interest_without_items_scores_none():
    pupil = made(owner=paddle.to_tensor([0] * 10 + [2] * (V - 10)))[0]
    assert pupil.scores(paddle.randn([2, R]), paddle.arange(V - 1)).shape == [2, V - 1]


@pytest.mark.parametrize("truth, nearer", [(0.0, "teacher"), (1.0, "next item")])
def test_it_learns_from_its_teacher_or_from_what_followed(truth, nearer):
    pupil = made()[0]
    items = training_items(V, users=60, length=6)
    events = Events(items, T)
    table = paddle.randn([V, R])

    def users(place):
        item, real = events.before(place)
        return (paddle.nn.functional.embedding(item, table) * real.astype("float32").unsqueeze(2)).sum(axis=1)

    place = events.of(paddle.ones([60], dtype="bool"))
    later, real = events.after(place)
    with paddle.no_grad():
        before = float(pupil.loss_of(users(place), later, real, truth))
    pupil.learn(events, users, epochs=60, truth=truth, watch=Recommender.watch)
    with paddle.no_grad():
        after = float(pupil.loss_of(users(place), later, real, truth))
    assert after < before - 0.05, nearer
