import json
import math

import numpy as np
import pytest
from reference import GOLDEN, golden

from tools.common.progress import metric_line, metric_table
from tools.common.ragged import ragged
from tools.evaluation.metrics import Metrics, coverage, diversity
from tools.evaluation.report import Report, bootstrap, popularity_deciles
from tools.retrieval.aggregate import Diversity
from tools.retrieval.retriever import Retriever


def rows_of(lists):
    return ragged([len(one) for one in lists], np.array([item for one in lists for item in one], np.int64))


def report_of(lists, targets, top_n, *, history_num=None, batch=None, **options):
    """A report over users with one interest, all at once or in batches."""
    options = {"category": None, "decile": None, "item_count": 100} | options
    report = Report(top_n=top_n, **options)
    history_num = np.ones(len(lists), int) if history_num is None else np.array(history_num)
    batch = batch or len(lists)
    for start in range(0, len(lists), batch):
        part = slice(start, start + batch)
        users = len(lists[part])
        interests, live = np.ones((users, 1, 2)), np.ones((users, 1), bool)
        report.update(np.array(lists[part]), rows_of(targets[part]), history_num[part], interests, live)
    return report.result()


def test_golden_metrics_of_all_lambdas():
    case, figures = golden("retrieval"), json.loads((GOLDEN / "retrieval_lists.json").read_text())
    interests, category = case["user_emb"].astype("float32"), case["item_category"].astype(int)
    live, n = np.ones(interests.shape[:2], bool), figures["top_n"]
    weights = tuple(0.0 if one == "none" else float(one) for one in figures["by_lambda"])
    retriever = Retriever.exact(case["item_emb"].astype("float32"))
    each = retriever.recommend_each(interests, live, n, Diversity(weights, category))
    for lists, reference in zip(each, figures["by_lambda"].values(), strict=True):
        report = Report(top_n=[n], category=category, decile=None, item_count=200)
        report.update(lists.items, rows_of(figures["targets"]), np.ones(12), interests, live)
        got = report.result()
        for name in ("recall", "hitrate", "ndcg", "ndcg_hits", "diversity"):
            assert got[f"{name}@{n}"] == pytest.approx(reference[name], abs=1e-7)


def test_diversity_by_hand():
    """Categories a a b, none none a, and lists of one item and of none."""
    category = np.array([-1, 0, 0, 1, -1, -1, 0])
    items = np.array([[1, 2, 3], [4, 5, 1], [6, 0, 0], [0, 0, 0]])
    got = diversity(items, category, [2, 3])
    np.testing.assert_allclose(got, [[0, 2 / 3], [1, 1], [np.nan] * 2, [np.nan] * 2])


def test_diversity_is_the_share_of_pairs():
    rng = np.random.default_rng(0)
    category = rng.integers(-1, 4, 60)
    items = np.stack([rng.permutation(59)[:12] + 1 for _ in range(30)])
    items[:10, 7:] = 0
    for user, n in [(user, n) for user in range(30) for n in (2, 5, 12)]:
        kept = [item for item in items[user, :n] if item]
        pairs = [(i, j) for place, i in enumerate(kept) for j in kept[place + 1 :]]
        different = [category[i] < 0 or category[i] != category[j] for i, j in pairs]
        assert diversity(items[user : user + 1], category, [n]).item() == pytest.approx(np.mean(different))


def test_coverage_is_the_share_of_items_recommended_to_anyone():
    assert coverage(np.array([True, True, False, True, False])) == 0.5
    got = report_of([[1, 2, 0], [2, 3, 0]], [[9], [9]], [1, 3], item_count=11)
    assert got["coverage@1"] == 2 / 10
    assert got["coverage@3"] == 3 / 10


def test_several_n_in_one_pass_are_those_of_each_alone():
    rng = np.random.default_rng(1)
    lists = [list(rng.permutation(40)[:20] + 1) for _ in range(25)]
    targets = [rng.integers(1, 41, 5).tolist() for _ in lists]
    category = rng.integers(0, 5, 100)
    together = report_of(lists, targets, [20, 5, 10], category=category, batch=7)
    quick = Metrics([5, 10, 20])
    quick.update(np.array(lists), rows_of(targets))
    for n in (5, 10, 20):
        alone = report_of([one[:n] for one in lists], targets, [n], category=category)
        for name in ("recall", "hitrate", "ndcg", "ndcg_hits", "diversity", "coverage"):
            assert together[f"{name}@{n}"] == pytest.approx(alone[f"{name}@{n}"], rel=1e-6)
        assert together[f"recall@{n}"] == pytest.approx(quick.result()[f"recall@{n}"], abs=1e-7)


def test_who_has_no_target_is_not_counted_and_a_repeated_target_counts_once():
    got = report_of([[1, 2], [3, 4], [5, 6]], [[1, 1, 8], [], [9]], [2], history_num=[3, 3, 7])
    assert got["users"] == 2
    assert got["recall@2"] == pytest.approx(0.25)
    assert got["by_history"]["1-4"] == {"users": 1} | {name: got["by_history"]["1-4"][name] for name in got["interval"]}


def test_without_categories_diversity_is_left_out_and_so_is_what_nobody_has():
    got = report_of([[1, 2]], [[1]], [2])
    assert not {"diversity@2", "interest_similarity", "norm_spread", "by_popularity"} & set(got)
    assert "diversity@1" not in report_of([[1]], [[1]], [1], category=np.zeros(100, int))
    json.dumps(got, allow_nan=False)


def test_popularity_and_the_split_by_warm_and_cold_items_by_hand():
    """Items 1 and 2 were trained 4 and 2 times, 3 and 5 never."""
    count = np.array([0, 4, 2, 0, 0, 0])
    lists, targets = [[1, 3], [2, 0], [0, 0]], [[1, 3], [5], [2]]
    got = report_of(lists, targets, [1, 2], count=count, item_count=6, batch=2)
    assert got["popularity@1"] == pytest.approx((4 + 2) / 2)  # of lists with an item
    assert got["popularity@2"] == pytest.approx((4 / 2 + 2) / 2)
    warm, cold = got["by_item"]["warm"], got["by_item"]["cold"]
    assert (warm["users"], cold["users"]) == (2, 2)
    assert (warm["recall@2"], warm["mrr@2"]) == (1 / 2, 1 / 2)  # user 0 finds 1 at rank 1, user 2 finds nothing
    assert (cold["recall@1"], cold["recall@2"], cold["mrr@2"]) == (0, 1 / 2, 1 / 4)  # user 0 finds 3 at rank 2
    assert "by_item" not in report_of(lists, targets, [1])


def test_split_by_history_length_by_hand():
    lists, targets = [[1]] * 5, [[1], [2], [1], [1], [3]]
    got = report_of(lists, targets, [1], history_num=[0, 4, 5, 99, 100])["by_history"]
    assert got.pop("0")["users"] == 1
    got = report_of(lists, targets, [1], history_num=[1, 4, 5, 99, 100])["by_history"]
    assert list(got) == ["1-4", "5-9", "50-99", "100+"]
    assert [one["users"] for one in got.values()] == [2, 1, 1, 1]
    assert [one["recall@1"] for one in got.values()] == [0.5, 1.0, 1.0, 0.0]


def test_split_by_popularity_by_hand():
    """Item 1 has half of all interactions, item 2 a fifth, items 3 to 5 a tenth each, item 6 none."""
    decile = popularity_deciles(np.repeat([1, 2, 3, 4, 5], [5, 2, 1, 1, 1]), 7)
    assert decile[1:].tolist() == [0, 5, 7, 8, 9, 9]
    got = report_of([[1, 5], [5, 2]], [[1, 2, 5, 6], [2]], [1, 2], decile=decile, item_count=7)["by_popularity"]
    assert got == {
        "1": {"users": 1, "recall@1": 1.0, "recall@2": 1.0},
        "6": {"users": 2, "recall@1": 0.0, "recall@2": 0.5},
        "10": {"users": 1, "recall@1": 0.0, "recall@2": 0.5},
    }


def test_deciles_share_interactions_equally():
    weight = np.arange(1, 1001) ** -0.7
    items = np.random.default_rng(0).choice(np.arange(1, 1001), 40_000, p=weight / weight.sum())
    decile, counts = popularity_deciles(items, 1001), np.bincount(items, minlength=1001)
    assert np.abs(np.bincount(decile[items]) / len(items) - 0.1).max() < 0.04
    assert all(counts[decile == d].min() >= counts[decile == d + 1].max() for d in range(9))


def test_interval_is_that_of_the_mean_and_the_same_each_time():
    rng = np.random.default_rng(0)
    values = rng.exponential(size=(4000, 2)).astype("float32")
    low, high = bootstrap(values)
    half = 1.96 * values.std(axis=0) / math.sqrt(4000)
    np.testing.assert_allclose(high - low, 2 * half, rtol=0.1)
    np.testing.assert_allclose((low + high) / 2, values.mean(axis=0), atol=0.1 * half.max())
    np.testing.assert_array_equal(bootstrap(values), [low, high])


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    found = [bootstrap(rng.exponential(size=(80, 1)))[:, 0] for _ in range(200)]
    assert 0.88 < np.mean([low <= 1.0 <= high for low, high in found]) < 0.99


def test_interval_leaves_out_who_does_not_count():
    values = np.array([[1.0, 5.0], [1.0, np.nan], [1.0, 7.0]])
    low, high = bootstrap(values)
    assert low.tolist() == [1.0, 5.0]
    assert high.tolist() == [1.0, 7.0]


def test_interval_is_the_same_however_many_resamples_are_drawn_at_once(monkeypatch):
    values = np.random.default_rng(0).random((50, 2))
    whole = bootstrap(values)
    monkeypatch.setattr("tools.evaluation.report.DRAWN_AT_ONCE", 7 * len(values))  # 1,000 is no multiple of 7
    np.testing.assert_allclose(bootstrap(values), whole, rtol=1e-6)


def test_tables_and_lines_take_what_is_there():
    rows = {"mind best": report_of([[1, 2]], [[1]], [2], category=np.arange(100)), "MostPop": {"recall@2": 0.1}}
    header, first, second = metric_table(rows).splitlines()
    assert header.split() == ["recall@2", "ndcg@2", "hitrate@2", "diversity@2", "coverage@2"]
    assert first.split()[-5:] == ["100.00", "100.00", "100.00", "100.00", "2.02"]
    assert second.split() == ["MostPop", "10.00", "-", "-", "-", "-"]
    assert metric_line(rows["mind best"]) == "recall@2: 100.00 %, ndcg@2: 100.00 %, hitrate@2: 100.00 %"
    assert metric_line({"ndcg@2": 0.25, "norm_spread": 0.25}) == "ndcg@2: 25.00 %, norm_spread: 0.2500"
