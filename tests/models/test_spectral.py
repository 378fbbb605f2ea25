"""The spectral model: counts by hand, the factors against a dense decomposition, and each item's own interest."""

import numpy as np
import paddle
import pytest
from registry import training_items

from models import MODELS
from models.base.fit_libraries import libraries
from models.spectral.factors import truncated_svd
from models.spectral.subspaces import find_subspaces

V, D, T = 40, 6, 3
pytestmark = pytest.mark.extras


def model(seed=0, fitted=True, **options):
    paddle.seed(seed)
    made = MODELS["spectral"](**{"item_count": V, "maxlen": T, "embedding_dim": D, **options})
    if fitted:
        made.fit(training_items(V))
    made.eval()
    return made


def scores(made, *rows):
    """What each interest gives each item, `[B, K, V]`."""
    hist_item = paddle.to_tensor([[*row, *[0] * (T - len(row))] for row in rows], "int64")
    interests = made(hist_item, paddle.to_tensor([len(row) for row in rows]))
    return paddle.matmul(interests, made.item_vectors(), transpose_y=True).numpy()


def counted(items, recency, backward, outlook=1.0):
    """The definition, word by word."""
    count = np.zeros((V, V))
    for first, end in zip(items.offsets[:-1], items.offsets[1:], strict=True):
        row = items.values[first:end]
        for k in range(1, len(row)):
            history, future = row[max(0, k - T) : k], row[k : k + T]
            weight = recency ** np.arange(len(history))[::-1]
            for item, share in zip(history, weight / weight.sum(), strict=True):
                later = outlook ** np.arange(len(future))
                np.add.at(count, (item, future), share * later / later.sum())
    return count + backward * count.T


def test_each_event_counts_once_over_what_came_before_and_after():
    items = training_items(V, users=7, length=9)
    made = model(fitted=False, spectral_recency=0.7, spectral_backward=0.3, spectral_outlook=0.6)
    got = made.count(libraries("spectral")[1], items).toarray()
    np.testing.assert_allclose(got, counted(items, 0.7, 0.3, 0.6), rtol=1e-4, atol=1e-6)
    assert got.sum() == pytest.approx(1.3 * 7 * 8, rel=1e-4)


def test_one_interest_is_the_truncated_decomposition():
    count = counted(training_items(V), 0.8, 0.2)
    row, column = count.sum(axis=1) + 20, count.sum(axis=0) + 20
    left, strength, right = np.linalg.svd(count / np.sqrt(np.outer(row, column)))
    left, right = left[:, :D] / np.sqrt(row)[:, None], right[:D].T * np.sqrt(column)[:, None]
    likeness = left * np.sqrt(strength[:D]) @ right.T
    got = scores(
        model(interest_num=1, spectral_recency=0.8, spectral_backward=0.2, spectral_smoothing=20.0), [5, 9, 2]
    )[0, 0]
    np.testing.assert_allclose(got, likeness[2] + 0.8 * likeness[9] + 0.64 * likeness[5], rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("strength", [0.0, 0.5])
@pytest.mark.parametrize("number", [2, 3, 4, 7])
def test_an_item_scores_highest_with_its_own_interest(number, strength):
    made = model(interest_num=number, spectral_strength=strength)
    owner = made.item_vectors().numpy()[1:, -2:] @ made.corner.numpy().T  # [V - 1, K]
    got = scores(made, [5, 9, 2], [1], [3, 3])[:, :, 1:]
    assert (got.argmax(axis=1) == owner.argmax(axis=1)).all()
    assert len(set(owner.argmax(axis=1))) > 1


def test_the_two_values_of_an_interest_leave_the_order_of_items_alone():
    made = model(interest_num=4)
    interests, _ = made.route(paddle.to_tensor([[5, 9, 2]]), paddle.to_tensor([3]))
    plain = paddle.matmul(interests[:, :, :-2], made.item_vectors()[:, :-2], transpose_y=True).numpy()[0, :, 1:]
    whole = scores(made, [5, 9, 2])[0][:, 1:]
    chosen = whole.argmax(axis=0)
    shift = whole.max(axis=0) - plain[chosen, np.arange(V - 1)]
    np.testing.assert_allclose(shift, shift[0], rtol=1e-4)


def test_subspaces_of_full_size_keep_everything():
    vectors = paddle.to_tensor(np.random.default_rng(0).normal(size=(V, D)).astype(np.float32))
    owner, bases = find_subspaces(vectors, 3, D)
    for k, basis in enumerate(bases):
        own = vectors[owner == k]
        np.testing.assert_allclose((own @ basis @ basis.T).numpy(), own.numpy(), atol=1e-4)


def test_vectors_of_two_planes_are_told_apart():
    rng = np.random.default_rng(0)
    planes = np.zeros((30, 4), np.float32)
    planes[:15, :2], planes[15:, 2:] = rng.random((15, 2)), rng.random((15, 2))
    paddle.seed(1)
    owner = find_subspaces(paddle.to_tensor(planes), 2, 2)[0].numpy()
    assert len(set(owner[:15])) == len(set(owner[15:])) == 1
    assert owner[0] != owner[15]


def test_a_rank_above_the_size_of_the_matrix_adds_nothing():
    sparse = libraries("spectral")[1]
    dense = np.random.default_rng(0).random((6, 6)).astype(np.float32)
    left, strength, right = truncated_svd(sparse.csr_matrix(dense), 20)
    np.testing.assert_allclose((left * strength @ right.T).numpy(), dense, atol=1e-4)


def test_strength_weighs_an_interest_by_its_length():
    plain, strong = model(spectral_strength=0.0), model(spectral_strength=0.5)
    before, after = (made(paddle.to_tensor([[5, 9, 2]]), paddle.to_tensor([3])).numpy()[0] for made in (plain, strong))
    length = np.linalg.norm(before[:, :-2], axis=1, keepdims=True)
    np.testing.assert_allclose(after[:, :-2], before[:, :-2] * (length / length.max()) ** 0.5, rtol=1e-5)
    np.testing.assert_allclose(after[:, -2:], before[:, -2:], rtol=1e-6)
