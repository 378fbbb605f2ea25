import json
import math

import numpy as np
import pytest
from reference import GOLDEN, golden

from tools.common.ragged import ragged
from tools.evaluation.metrics import Metrics, interest_similarity, norm_spread
from tools.retrieval.retriever import Retriever


def rows_of(lists):
    return ragged([len(one) for one in lists], np.array([item for one in lists for item in one], np.int64))


def measure(lists, targets, top_n):
    metrics = Metrics(top_n)
    metrics.update(
        np.array(lists),
        rows_of(targets),
    )
    return metrics.result()


def test_metrics_by_hand():
    """Targets {3, 7, 9}; the list finds 7 at rank 1 and 3 at rank 3."""
    got = measure([[7, 1, 3, 2]], [[3, 7, 9]], [2, 4])
    first, third = 1 / math.log2(2), 1 / math.log2(4)
    ideal = [sum(1 / math.log2(r + 1) for r in range(1, n + 1)) for n in range(5)]
    assert got["recall@4"] == pytest.approx(2 / 3)
    assert got["hitrate@4"] == 1
    assert got["ndcg@4"] == pytest.approx((first + third) / ideal[3])
    assert got["ndcg_hits@4"] == pytest.approx((first + third) / ideal[2])
    assert got["recall@2"] == pytest.approx(1 / 3)
    assert got["ndcg@2"] == pytest.approx(first / ideal[2])  # min(|G|, N) = 2
    assert got["ndcg_hits@2"] == pytest.approx(1.0)


def test_ranks_by_hand():
    """Targets {3, 7, 9}; the first list finds 7 at rank 2 and 3 at rank 3, the third 9 at rank 1."""
    got = measure([[1, 7, 3, 2], [1, 2, 4, 5], [9, 1, 2, 4]], [[3, 7, 9]] * 3, [2, 4])
    assert got["mrr@4"] == pytest.approx((1 / 2 + 0 + 1) / 3)
    assert got["map@4"] == pytest.approx(((1 / 2 + 2 / 3) / 3 + 0 + 1 / 3) / 3)
    assert got["map@2"] == pytest.approx(((1 / 2) / 2 + 0 + 1 / 2) / 3)  # min(|G|, N) = 2


def test_padding_in_a_list_is_no_hit_and_a_repeated_target_counts_once():
    got = measure([[5, 0, 0]], [[5, 5, 6]], [3])
    assert got["recall@3"] == pytest.approx(1 / 2)


def test_mean_is_over_users_with_a_target_whatever_the_batches():
    """PaddleRec divided by users + 1."""
    lists, targets = [[1, 2], [3, 4], [5, 6]], [[1], [], [9]]
    together = measure(lists, targets, [2])
    apart = Metrics([2])
    for row, target in zip(lists, targets, strict=True):
        apart.update(np.array([row]), rows_of([target]))
    assert together["recall@2"] == apart.result()["recall@2"] == pytest.approx(0.5)
    assert apart.users == 2


def test_lists_and_metrics_agree_with_the_public_code():
    case, figures = golden("retrieval"), json.loads((GOLDEN / "retrieval_lists.json").read_text())
    reference = figures["by_lambda"]["none"]
    interests = case["user_emb"].astype("float32")
    live = np.ones(interests.shape[:2], bool)
    lists = Retriever.exact(case["item_emb"].astype("float32")).recommend(interests, live, figures["top_n"])
    np.testing.assert_array_equal(lists.items, reference["recommended"])
    got = measure(lists.items, figures["targets"], [figures["top_n"]])
    for name in ("recall", "hitrate", "ndcg", "ndcg_hits"):
        assert got[f"{name}@{figures['top_n']}"] == pytest.approx(reference[name], abs=1e-9)


def brute_force(vectors, interests, live, top_n, seen):
    lists = []
    for user in range(len(interests)):
        scores = np.where(live[user][:, None], interests[user] @ vectors.T, -np.inf).max(axis=0)
        order = [item for item in np.argsort(-scores, kind="stable") if item != 0 and item not in seen[user]]
        lists.append(order[:top_n])
    return np.array(lists)


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("interest_num", [1, 3])
def test_recommend_is_the_best_score_over_live_interests(filtered, interest_num):
    rng = np.random.default_rng(interest_num)
    vectors, interests = rng.normal(size=(80, 6)), rng.normal(size=(20, interest_num, 6))
    vectors[0] = 100.0  # the padding row would win
    live = np.arange(interest_num) < rng.integers(1, interest_num + 1, 20)[:, None]
    interests[~live] = 50.0
    seen = [list(rng.choice(np.arange(1, 80), 7, replace=False)) if filtered else [] for _ in range(20)]
    rows = (
        ragged([len(one) for one in seen], np.array([item for one in seen for item in one], np.int64))
        if filtered
        else None
    )
    got = Retriever.exact(vectors).recommend(interests, live, 10, seen=rows, maxlen=7)
    np.testing.assert_array_equal(got.items, brute_force(vectors, interests, live, 10, seen))
    for user in range(20):
        scores = interests[user] @ vectors[got.items[user]].T  # [K, N]
        np.testing.assert_allclose(got.scores[user], scores[got.interest[user], np.arange(10)], rtol=1e-4)
        assert live[user][got.interest[user]].all()


def test_who_has_seen_more_than_maxlen_gets_a_full_list_too():
    rng = np.random.default_rng(5)
    vectors, interests = rng.normal(size=(200, 6)), rng.normal(size=(3, 2, 6))
    live = np.ones((3, 2), bool)
    seen = [
        np.argsort(-(interests[user] @ vectors[1:].T).max(axis=0))[:depth] + 1 for user, depth in enumerate((90, 3, 0))
    ]
    got = Retriever.exact(vectors).recommend(interests, live, 10, seen=rows_of(seen), maxlen=5)
    np.testing.assert_array_equal(got.items, brute_force(vectors, interests, live, 10, seen))


def test_catalogue_smaller_than_the_list_ends_early():
    got = Retriever.exact(np.eye(4)).recommend(np.ones((1, 2, 4)), np.ones((1, 2), bool), 6)
    assert sorted(got.items[0].tolist()) == [0, 0, 0, 1, 2, 3]
    assert (got.scores[0][3:] == -np.inf).all()


def test_interest_similarity_and_norm_spread_by_hand():
    """Lengths 2, 1, 5 at angles 0, 0, 90; a dead interest; a user with one."""
    interests = np.array([[[2, 0], [1, 0], [0, 5], [9, 9]], [[3, 4], [0, 0], [0, 0], [0, 0]]], np.float32)
    live = np.array([[True, True, True, False], [True, False, False, False]])
    cosine, spread = interest_similarity(interests, live), norm_spread(interests, live)
    assert cosine[0] == pytest.approx((1 + 0 + 0) / 3)
    assert spread[0] == pytest.approx(np.std([2, 1, 5]) / np.mean([2, 1, 5]))
    assert np.isnan(cosine[1])
    assert np.isnan(spread[1])


def test_interests_are_measured_over_users_who_have_several():
    metrics = Metrics([1])
    same, apart = [[1.0, 1.0], [2.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]]
    metrics.update_interests(np.array([same, apart]), np.array([[True, True], [True, True]]))
    metrics.update_interests(np.array([same]), np.array([[True, False]]))
    assert metrics.result()["interest_similarity"] == pytest.approx((1.0 + 0.0) / 2)
    single = Metrics([1])
    single.update_interests(np.ones((3, 1, 2)), np.ones((3, 1), bool))
    assert "interest_similarity" not in single.result()
