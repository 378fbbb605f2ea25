"""Spectral factors beside attention: the two scores, how they are weighed, and the samples that the attention sees."""

from itertools import pairwise

import numpy as np
import paddle
import pytest
from registry import USERS, training_items

from models import MODELS
from models.layers.features import ItemTable
from models.layers.functional import l2_normalize
from models.spectral import events as events_of
from models.spectral import mixture
from models.spectral.attention import sample
from models.spectral.events import Events
from models.spectral.mixture import best_spread
from models.spectral.student import Student

V, T = 40, 3
HISTORY = [[5, 9, 2], [7, 0, 0], [11, 3, 0], [30, 31, 32]], [3, 1, 2, 3]


def model(seed=0, items=None, **options):
    paddle.seed(seed)
    options = {"item_count": V, "maxlen": T, "embedding_dim": 6, "spectral_hidden": 8, "mix_size": 10, **options}
    made = MODELS["spectral_mix"](**options)
    made.fit(items or training_items(V))
    made.eval()
    return made


def test_histories_end_before_the_event():
    events = Events(USERS, T)
    hist_item, seq_len = events.histories(paddle.to_tensor([1, 2, 3, 4, 7]))
    assert hist_item.tolist() == [[5, 0, 0], [5, 6, 0], [5, 6, 7], [6, 7, 8], [2, 0, 0]]
    assert seq_len.tolist() == [1, 2, 3, 3, 1]


def test_users_are_drawn_alike_and_none_without_a_history():
    paddle.seed(0)
    drawn = Events(USERS, T).draw(4000).numpy()  # the user at 5 has one item
    assert sorted(set(drawn.tolist())) == [1, 2, 3, 4, 7]
    assert (drawn == 7).mean() == pytest.approx(0.5, abs=0.05)
    assert (drawn == 2).mean() == pytest.approx(0.125, abs=0.03)


@pytest.mark.extras
def test_the_attention_adds_its_share():
    hist_item, seq_len = map(paddle.to_tensor, HISTORY)
    scores = {}
    for share in (0.0, 0.5, 1.0):
        # R + W below D, so that nothing is cut
        options = {"interest_num": 1, "embedding_dim": 30, "spectral_rank": 12}
        mix = model(mix_share=share, mix_student_epochs=0, **options)
        with paddle.no_grad():
            both = mix.both(mix.item_table(hist_item), mix.weigh(seq_len, T), seq_len)
            score = paddle.matmul(mix(hist_item, seq_len)[:, 0], mix.item_vectors(), transpose_y=True)
        scores[share] = score[:, 1:].numpy()
    own = paddle.matmul(both[:, 12:], l2_normalize(mix.item_rows()[:, 12:]), transpose_y=True)[:, 1:].numpy()
    first, second = scores[0.5] - scores[0.0], scores[1.0] - scores[0.5]
    np.testing.assert_allclose(first, second, atol=1e-3 * np.abs(second).max())
    factor = (second * own).sum() / (own * own).sum()
    assert factor > 0
    np.testing.assert_allclose(second, factor * own, atol=1e-3 * np.abs(second).max())


def test_samples_are_as_wide_as_their_longest_history():
    events = Events(USERS, T)
    place = paddle.to_tensor([1, 2, 7])
    hist_item, target_item, seq_len = sample(events, place)
    assert seq_len.tolist() == [1, 2, 1]
    assert hist_item.tolist() == [[5, 0], [5, 6], [2, 0]]
    assert target_item.tolist() == [[6, 7, 8], [7, 8, 9], [3, 0, 0]]


def test_histories_of_a_batch_are_as_long(monkeypatch):
    monkeypatch.setattr(events_of, "SORTED", 3)
    paddle.seed(0)
    events = Events(USERS, T)
    given = [events.draw(16) for _ in range(5)]
    batches = list(events_of.of_like_lengths(events, iter(given)))
    lengths = [events.number_before(place).numpy() for place in batches]
    assert [len(place) for place in batches] == [16] * 5
    for part in (slice(3), slice(3, 5)):  # three dealt at once, then the two that are left
        assert sorted(paddle.concat(batches[part]).tolist()) == sorted(paddle.concat(given[part]).tolist())
        dealt = sorted(lengths[part], key=lambda one: (one.min(), one.max()))
        assert all(one.max() <= other.min() for one, other in pairwise(dealt))


@pytest.mark.extras
def test_targets_are_no_negatives(monkeypatch):
    mix = model()
    table = ItemTable(item_count=V, embedding_dim=10, sparse=True, init_std=1.0)
    batch = paddle.to_tensor([[5, 9], [7, 0]]), paddle.to_tensor([[3, 8, 3], [6, 0, 0]]), paddle.to_tensor([2, 1])
    monkeypatch.setattr(mix.extractor, "dropout", 0.0)
    monkeypatch.setattr(paddle, "unique", lambda drawn: paddle.to_tensor([3, 8, 9, 20]))
    loss = mix.extractor.loss(table, *batch)
    rows = l2_normalize(table.weight)
    user = mix.extractor.vector(mix.extractor(table(batch[0]), paddle.to_tensor([[1.0, 1.0], [1.0, 0.0]])))
    score = (paddle.matmul(user, rows, transpose_y=True) / 0.1).detach().numpy().astype("float64")
    terms = [(0, 3, [9, 20]), (0, 8, [9, 20]), (0, 3, [9, 20]), (1, 6, [3, 8, 9, 20])]  # user, target, negatives
    wanted = [np.log(np.exp(score[u, [t, *others]]).sum()) - score[u, t] for u, t, others in terms]
    assert float(loss) == pytest.approx(np.mean(wanted), rel=1e-5)


def test_the_spread_of_the_best_scores():
    side = paddle.to_tensor([[0.0], [1.0], [3.0]])
    assert float(best_spread(paddle.to_tensor([[1.0], [2.0]]), side)) == pytest.approx(1.5 * np.std([0, 1, 3], ddof=1))


@pytest.mark.extras
@pytest.mark.parametrize("interest_num", [1, 3])
def test_interests_are_the_students_after_it_has_learnt(monkeypatch, interest_num):
    seen = {}

    class Seen(Student):
        def learn(self, events, users, **options):
            place = events.of(paddle.ones([len(events.first)], dtype="bool"))[:20]
            later, real = events.after(place)
            before = float(self.loss_of(users(place), later, real, truth=0.1))
            super().learn(events, users, **options)
            assert float(self.loss_of(users(place), later, real, truth=0.1)) < before
            seen.update(student=self, histories=events.histories(place))
            seen["score"] = self.scores(users(place), paddle.arange(V - 1)).detach().numpy()

    monkeypatch.setattr(mixture, "Student", Seen)
    mix = model(interest_num=interest_num, mix_student_epochs=50)
    with paddle.no_grad():
        score = paddle.matmul(mix(*seen["histories"]), mix.item_vectors(), transpose_y=True).numpy()
    student = seen["student"]
    own = score[:, student.owner.numpy(), student.order.numpy()]  # by each item's own interest, [20, V - 1]
    assert (own == score.max(axis=1)[:, student.order.numpy()]).all()  # no other interest says more
    raised = own - seen["score"]  # by what the gate adds, the same for all items of a user
    np.testing.assert_allclose(raised - raised.mean(axis=1, keepdims=True), 0.0, atol=1e-4 * np.abs(own).max())


@pytest.mark.extras
@pytest.mark.parametrize("users", [1, 3, 30])
def test_small_data_have_finite_interests(users):
    mix = model(items=training_items(9, users=users, length=6), item_count=9, embedding_dim=16)  # D above the rank
    interests = mix(paddle.to_tensor([[1, 2, 3]]), paddle.to_tensor([3]))
    assert paddle.isfinite(interests).all()
    assert paddle.isfinite(mix.item_vectors()).all()


@pytest.mark.extras
def test_attention_sees_items_whose_weight_is_too_small_a_number():
    mix = model(maxlen=30, spectral_recency=0.01)  # 0.01^29 is 0 in float32
    seq_len = paddle.to_tensor([30])
    first, second = (
        mix.both(mix.item_table(item), mix.weigh(seq_len, 30), seq_len)[:, mix.rank :].numpy()
        for item in (paddle.to_tensor([[one, *[7] * 29]]) for one in (5, 9))
    )
    assert np.abs(first - second).max() > 1e-4
