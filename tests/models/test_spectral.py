"""The spectral model: counts by hand, the factors against a dense decomposition, and each item's own interest."""

import numpy as np
import paddle
import pytest
from registry import training_items

from models import MODELS
from models.base.fit_libraries import libraries
from models.spectral import counts, subspaces, svd
from models.spectral.subspaces import find_subspaces
from models.spectral.svd import truncated_svd

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
    options = {"recency": 0.7, "backward": 0.3, "outlook": 0.6}
    got = counts.count(libraries("spectral")[1], items, item_count=V, maxlen=T, **options).toarray()
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


def test_the_largest_singular_values_are_found_among_many():
    sparse = libraries("spectral")[1]
    matrix = sparse.random(400, 400, density=0.05, format="csr", dtype="float32", random_state=0)
    paddle.seed(0)
    left, strength, right = truncated_svd(matrix, 12)
    np.testing.assert_allclose(
        strength.numpy(), np.linalg.svd(matrix.toarray())[1][:12], rtol=3e-2
    )  # the hardest: all alike
    for side in (left, right):
        np.testing.assert_allclose((side.T @ side).numpy(), np.eye(12), atol=1e-3)


def test_directions_beyond_the_rank_of_the_matrix_count_none_twice():
    dense = np.zeros((400, 400), np.float32)
    dense[:5, :5] = np.diag([5.0, 4.0, 3.0, 2.0, 1.0])  # 64 directions more are sought
    paddle.seed(0)
    left, strength, right = truncated_svd(libraries("spectral")[1].csr_matrix(dense), 8)
    np.testing.assert_allclose(strength.numpy(), [5, 4, 3, 2, 1, 0, 0, 0], atol=1e-2)
    np.testing.assert_allclose((left * strength @ right.T).numpy(), dense, atol=1e-2)


def test_counts_in_parts_are_those_at_once(monkeypatch):
    sparse, items = libraries("spectral")[1], training_items(V)
    options = {"item_count": V, "maxlen": T, "recency": 0.75, "outlook": 1.0, "backward": 0.1}
    whole = counts.count(sparse, items, **options).toarray()
    monkeypatch.setattr(counts, "EVENTS", 7)
    np.testing.assert_allclose(counts.count(sparse, items, **options).toarray(), whole, rtol=1e-5)


@pytest.mark.parametrize("threads", [1, 2, 3, 50])
@pytest.mark.parametrize("columns", [4, 11, 8192])
def test_a_product_in_parts_is_that_at_once(monkeypatch, threads, columns):
    sparse, rng = libraries("spectral")[1], np.random.default_rng(0)
    matrix = sparse.random(40, 30, density=0.1, format="csc", dtype="float32", rng=rng)
    block = paddle.to_tensor(rng.random((30, 5), "float32"))
    monkeypatch.setattr(svd, "THREADS", threads)
    monkeypatch.setattr(svd, "CACHED", columns)
    got = svd.times(list(svd.column_parts(matrix)), block)
    np.testing.assert_allclose(got.numpy(), matrix @ block.numpy(), rtol=1e-6)


def test_subspaces_from_what_moved_are_those_from_all():
    paddle.seed(0)
    vectors, bases = paddle.randn([500, 12]), [paddle.randn([12, 3]) for _ in range(4)]
    plain, before = list(bases), None
    for _ in range(subspaces.ROUNDS):
        owner = paddle.stack([(vectors @ basis).square().sum(axis=1) for basis in plain], axis=1).argmax(axis=1).numpy()
        if before is not None and (before != owner).sum() * 1000 <= len(owner):
            break
        before, squares = owner, [vectors[np.flatnonzero(owner == k)] for k in range(4)]
        plain = [paddle.linalg.qr(one.T @ one @ basis)[0] for one, basis in zip(squares, plain, strict=True)]
    _, got, found = subspaces._descend(vectors, bases, subspaces.ROUNDS)
    np.testing.assert_array_equal(got.numpy(), owner)
    for one, other in zip(found, plain, strict=True):  # a basis may turn its signs
        np.testing.assert_allclose((one @ one.T).numpy(), (other @ other.T).numpy(), atol=1e-4)


def test_a_sample_tells_the_planes_of_all(monkeypatch):
    rng = np.random.default_rng(0)
    planes = np.zeros((400, 4), np.float32)
    planes[:200, :2], planes[200:, 2:] = rng.random((200, 2)), rng.random((200, 2))
    monkeypatch.setattr(subspaces, "SAMPLE", 32)
    paddle.seed(1)
    owner = find_subspaces(paddle.to_tensor(planes), 2, 2)[0].numpy()
    assert len(set(owner[:200])) == len(set(owner[200:])) == 1
    assert owner[0] != owner[399]


def test_strength_weighs_an_interest_by_its_length():
    plain, strong = model(spectral_strength=0.0), model(spectral_strength=0.5)
    before, after = (made(paddle.to_tensor([[5, 9, 2]]), paddle.to_tensor([3])).numpy()[0] for made in (plain, strong))
    length = np.linalg.norm(before[:, :-2], axis=1, keepdims=True)
    np.testing.assert_allclose(after[:, :-2], before[:, :-2] * (length / length.max()) ** 0.5, rtol=1e-5)
    np.testing.assert_allclose(after[:, -2:], before[:, -2:], rtol=1e-6)
