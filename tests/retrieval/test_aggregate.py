import json
import math

import numpy as np
import pytest
from reference import GOLDEN, golden

from tools.common.errors import UserError
from tools.common.ragged import earlier_in_row, ragged
from tools.data.dataset import read_categories
from tools.evaluation.metrics import diversity
from tools.retrieval.aggregate import Diversity, aggregate, merge
from tools.retrieval.retriever import Retriever

LAMBDAS = ("none", "0.05", "0.2", "1.0", "5.0")


def rows_of(lists):
    return ragged([len(one) for one in lists], np.array([item for one in lists for item in one], np.int64))


def test_lists_of_all_lambdas_agree_with_the_public_code():
    case, figures = golden("retrieval"), json.loads((GOLDEN / "retrieval_lists.json").read_text())
    assert tuple(figures["by_lambda"]) == LAMBDAS
    interests, category = case["user_emb"].astype("float32"), case["item_category"].astype(int)
    weights = tuple(0.0 if one == "none" else float(one) for one in LAMBDAS)
    each = Retriever.exact(case["item_emb"].astype("float32")).recommend_each(
        interests, np.ones(interests.shape[:2], bool), figures["top_n"], Diversity(weights, category)
    )
    for lists, reference in zip(each, figures["by_lambda"].values(), strict=True):
        np.testing.assert_array_equal(lists.items, reference["recommended"])
        shares = diversity(lists.items, category, [figures["top_n"]])
        assert shares.mean() == pytest.approx(reference["diversity"], abs=1e-12)


def greedy(items, scores, top_n, weight, category, seen):
    """The definition, step by step, for one user: `items`, `scores` are K lists."""
    pool = {}  # item -> (f, interest, place in that interest's list)
    for interest, found in enumerate(items):
        for place, item in enumerate(found.tolist()):
            score = float(scores[interest, place])
            if item and item not in seen and score > pool.get(item, (-math.inf,))[0]:
                pool[item] = score, interest, place
    ranked, chosen = sorted(pool, key=lambda item: (-pool[item][0], *pool[item][1:])), []
    while len(chosen) < min(top_n, len(pool)):
        best = (-math.inf,)
        for rank, item in enumerate(ranked):
            same = sum(category[one] == category[item] >= 0 for one in chosen)
            if item not in chosen:
                best = max(best, (pool[item][0] - weight * same, pool[item][0], -rank))
        chosen.append(ranked[-best[2]])
    return chosen + [0] * (top_n - len(chosen)), [pool[item][:2] for item in chosen]


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_the_sort_is_the_greedy_choice(seed, filtered):
    """Scores of few values tie everywhere; categories may be missing; pools may be short, interests dead."""
    rng = np.random.default_rng(seed)
    users, interest_num, depth, top_n = 40, 3, (4, 9, 15)[seed % 3], 12
    category = rng.integers(-1, 4, 31)
    items = np.stack([[rng.permutation(30)[:depth] + 1 for _ in range(interest_num)] for _ in range(users)])
    scores = -np.sort(-rng.integers(0, 8, items.shape) / 4, axis=2).astype(np.float32)
    dead = rng.random(items.shape) < 0.1
    dead[: users // 2, 1] = True
    items[dead], scores[dead] = 0, -np.inf
    seen = [rng.integers(1, 31, 6).tolist() if filtered else [] for _ in range(users)]
    weights = (0.0, 0.1, 0.25, 0.5, 3.0)
    each = aggregate(items, scores, top_n, Diversity(weights, category), rows_of(seen) if filtered else None)
    for weight, lists in zip(weights, each, strict=True):
        assert lists.items.shape == (users, top_n)
        for user in range(users):
            expected, found = greedy(items[user], scores[user], top_n, weight, category, seen[user])
            assert lists.items[user].tolist() == expected
            kept = list(zip(lists.scores[user].tolist(), lists.interest[user].tolist(), strict=True))[: len(found)]
            assert kept == found
            assert np.isneginf(lists.scores[user, len(found) :]).all()


def test_items_without_category_are_never_pushed_down():
    items, scores = np.array([[[1, 2, 3, 4]]]), np.array([[[4.0, 3.0, 2.0, 1.0]]], np.float32)
    (lists,) = aggregate(items, scores, 4, Diversity((10.0,), np.array([-1, -1, 5, 5, -1])))
    assert lists.items.tolist() == [[1, 2, 4, 3]]


def test_one_search_serves_all_lambdas_and_who_has_seen_much_is_searched_once_more():
    rng = np.random.default_rng(0)
    vectors, interests = rng.normal(size=(120, 6)), rng.normal(size=(3, 2, 6)).astype("float32")
    retriever, live, depths = Retriever.exact(vectors), np.ones((3, 2), bool), []
    search = retriever.search
    retriever.search = lambda found, mask, depth, _: depths.append((len(found), depth)) or search(found, mask, depth)
    each = Diversity((0.0, 0.1, 0.2, 1.0), rng.integers(0, 4, 120))
    assert len(retriever.recommend_each(interests, live, 10, each)) == 4
    assert depths == [(3, 10)]
    best = np.argsort(-(interests[0] @ vectors[1:].T).max(axis=0))[:60] + 1
    lists = retriever.recommend_each(interests, live, 10, each, seen=rows_of([best, [], best[:2]]), maxlen=3)
    assert depths == [(3, 10), (3, 13), (1, 70)]
    for one in lists:
        assert (one.items > 0).all()
        assert not set(one.items[0]) & set(best)


def test_merge_by_hand():
    """Item 4 comes from both interests; 0 is padding; the tie of 6 and 8 goes to the lower interest."""
    items = np.array([[[4, 6, 0], [4, 8, 9]]])
    scores = np.array([[[3.0, 1.0, -np.inf], [5.0, 1.0, 0.5]]], np.float32)
    got = merge(items, scores, 5)
    assert got.items.tolist() == [[4, 6, 8, 9, 0]]
    assert got.interest.tolist()[0][:4] == [1, 0, 1, 1]
    assert got.scores.tolist() == [[5.0, 1.0, 1.0, 0.5, -np.inf]]


def test_earlier_in_row_by_hand():
    rows = np.array([[3, 3, -1, 3, -1], [0, 1, 2, 1, 0], [7, 7, 7, 7, 7]])
    assert earlier_in_row(rows).tolist() == [[0, 1, 0, 2, 1], [0, 0, 0, 1, 1], [0, 1, 2, 3, 4]]


def test_categories_are_read_with_none_for_later_rows(tmp_path):
    assert read_categories(tmp_path, 5) is None
    np.save(tmp_path / "item_category.npy", np.array([-1, 2, 0], np.int32))
    assert read_categories(tmp_path, 5).tolist() == [-1, 2, 0, -1, -1]


@pytest.mark.parametrize(
    "content, message",
    [
        (np.zeros(6, np.int32), r"int32 \[6\]; it must have at most item_count = 5 whole numbers; run tools.preproc"),
        (np.zeros((2, 2), np.int32), r"int32 \[2, 2\]"),
        (np.zeros(5, np.float32), r"float32 \[5\]"),
        (b"nothing", "not readable"),
    ],
)
def test_bad_categories_are_named(content, message, tmp_path):
    path = tmp_path / "item_category.npy"
    path.write_bytes(content) if isinstance(content, bytes) else np.save(path, content)
    with pytest.raises(UserError, match=message):
        Diversity.open(tmp_path, (0.0,), 5)


def test_a_lambda_without_categories_is_an_error_and_none_is_not(tmp_path):
    assert Diversity.open(tmp_path, [0.0], 5) == ((0.0,), None)
    with pytest.raises(UserError, match=r"diversity_lambda: 0.2 needs .* no .*item_category.npy; run .* --category"):
        Diversity.open(tmp_path, [0.0, 0.2], 5)
