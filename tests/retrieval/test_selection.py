"""Filters: with any index a filtered list is the whole list with the others taken out, and as long as can be."""

import argparse

import numpy as np
import pytest

from tools.common.errors import UserError
from tools.common.ragged import ragged
from tools.config.schema import Runner
from tools.retrieval import selected
from tools.retrieval.aggregate import Diversity
from tools.retrieval.index import build, store
from tools.retrieval.kinds import KINDS
from tools.retrieval.retriever import Retriever, ScoreIndex
from tools.retrieval.selection import Catalogue, Filters, Selection, add_filter_arguments, read_filters

V, N, SHARES = 4000, 20, [0.5, 0.1, 0.01, 0.001]
ODD = ["PQ4np", "SQ8", "HNSW16,SQ8", "PCA4,Flat", "IVF16,Flat,RFlat"]  # factory strings, some of which lose precision


@pytest.fixture(scope="module")
def data():
    """Item vectors and the interests of 12 users, some of them dead, one of whom has none alive."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, 8))
    vectors, interests = (
        (centres[rng.integers(50, size=shape)] + 0.5 * rng.normal(size=(*shape, 8))).astype("float32")
        for shape in ((V,), (12, 3))
    )
    live = rng.random((12, 3)) < 0.8
    live[:2] = [[True, False, True], [False, False, False]]
    return vectors, interests, live


def choose(share, seed=1):
    allowed = np.zeros(V, bool)
    allowed[np.random.default_rng(seed).permutation(np.arange(1, V))[: max(1, round(share * (V - 1)))]] = True
    return Selection(allowed=allowed)


def filtered(vectors, interests, live, selection, seen=()):
    """Of each user the exhaustive list, one by one: `(items, scores)`."""
    scores = np.where(live[..., None], interests @ vectors.T, -np.inf).max(axis=1)  # [U, V]
    for user, row in enumerate(scores):
        row[~selection.allowed] = -np.inf
        row[list(seen[user]) if len(seen) else []] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :N]
    best = np.take_along_axis(scores, order, axis=1)
    return np.where(best > -np.inf, order, 0), best


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("kind", [*KINDS, *ODD])
def test_a_filtered_list_is_the_exhaustive_one_without_the_others(kind, share, data):
    vectors, interests, live = data
    retriever = Retriever(index=build(vectors, Runner(index=kind, top_n=[N])), vectors=vectors)
    selection = choose(share)
    lists = retriever.recommend(interests, live, N, selection=selection)
    items, scores = filtered(vectors, interests, live, selection)
    np.testing.assert_array_equal(lists.items, items)
    np.testing.assert_allclose(lists.scores, scores, rtol=1e-4, atol=1e-5)
    assert (lists.items > 0).sum(axis=1).tolist() == [0 if u == 1 else min(N, len(selection.items)) for u in range(12)]
    seen = [selection.items[: 5 * user] for user in range(12)]  # some have seen all that may be shown
    rows = ragged([len(one) for one in seen], np.concatenate(seen))
    lists = retriever.recommend(interests, live, N, seen=rows, maxlen=3, selection=selection)
    np.testing.assert_array_equal(lists.items, filtered(vectors, interests, live, selection, seen)[0])


@pytest.mark.parametrize("kind", [*KINDS, *ODD])
def test_an_index_that_is_searched_for_half_of_its_items(kind, data, monkeypatch):
    """As in large catalogues: nothing else is found, lists are whole, and as near to the exhaustive ones as ever."""
    monkeypatch.setattr(selected, "EXHAUSTIVE", 50)
    vectors, interests, live = data
    index = build(vectors, Runner(index=kind, top_n=[N]))
    for share in (0.5, 0.06):
        selection = choose(share)
        lists = Retriever(index=index, vectors=vectors).recommend(interests, live, N, selection=selection)
        expected = filtered(vectors, interests, live, selection)[0]
        assert selection.allowed[lists.items[lists.items > 0]].all()
        assert (lists.items > 0).sum(axis=1).tolist() == [0 if user == 1 else N for user in range(12)]
        found = np.mean([len(np.intersect1d(*pair)) / N for pair in zip(lists.items, expected, strict=True)])
        assert found > (0.9 if kind in KINDS else 0.3)


def test_lists_are_whole_where_an_approximate_index_finds_too_few(data):
    vectors, interests, live = data
    few = build(vectors, Runner(index="IVF64,Flat", index_search="nprobe=1", top_n=[N]))
    everything = Selection(allowed=np.ones(V, bool))
    lists = Retriever(index=few, vectors=vectors).recommend(interests, live, 500)
    assert ((lists.items > 0).sum(axis=1) == np.where(live.any(axis=1), 500, 0)).all()
    again = Retriever(index=few, vectors=vectors).recommend(interests, live, N, selection=everything)
    np.testing.assert_array_equal(again.items, filtered(vectors, interests, live, everything)[0])


def test_models_that_score_all_items_are_filtered_too():
    scores = np.array([[5.0, 0, 3, 4, 1]], np.float32)
    found, items = ScoreIndex(ntotal=5).search(scores, 5, Selection(allowed=[1, 0, 1, 1, 0, 1]))
    assert items.tolist() == [[2, 4, -1, -1, -1]]
    assert found.tolist() == [[3, 1, -np.inf, -np.inf, -np.inf]]


def test_variety_is_chosen_among_what_passes(data):
    vectors, interests, live = data
    category = np.arange(V) % 3
    within = Diversity((0.0, 1.0), category)
    selection = Selection(allowed=category == 1)
    for lists in Retriever.exact(vectors).recommend_each(interests, live, N, within, selection=selection):
        assert (category[lists.items[live.any(axis=1)]] == 1).all()


@pytest.mark.extras
@pytest.mark.parametrize("share", SHARES)
def test_milvus_filters_by_its_own_expressions(share, data, tmp_path):
    vectors, interests, live = data
    index = store(Runner(index="milvus")).keep(tmp_path / "best", vectors)
    selection = choose(share)
    lists = Retriever(index=index, vectors=vectors).recommend(interests, live, N, selection=selection)
    np.testing.assert_array_equal(lists.items, filtered(vectors, interests, live, selection)[0])
    scores, items = index.search(interests[0], N, selection)
    assert (np.isin(items + 1, selection.items) | (items < 0)).all()
    assert scores.shape == (3, N)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "item_map.csv").write_text("item,original\n1,a\n2,b\n3,c\n4,d\n")
    (tmp_path / "category_map.csv").write_text("category,name\n0,toys\n1,books\n")
    np.save(tmp_path / "item_category.npy", np.array([-1, 0, 1, 0, -1]))
    return tmp_path


@pytest.mark.parametrize("filters, items", [
    (Filters(), [1, 2, 3, 4]), (Filters(exclude=("b", "new")), [1, 3, 4]), (Filters(allow=("d", "new")), [4]),
    (Filters(allow=()), []), (Filters(category=("toys",)), [1, 3]), (Filters(category=("toys", "books")), [1, 2, 3]),
    (Filters(("a",), ("a", "c", "d"), ("toys",)), [3]), (Filters(allow=("new",)), []),
])  # fmt: skip
def test_filters_in_own_ids(folder, filters, items):
    assert Catalogue(folder=folder, item_count=5).select(filters).items.tolist() == items


def test_what_holds_for_every_list_holds_for_each(folder, caplog):
    catalogue = Catalogue(folder=folder, item_count=5, filters=Filters(exclude=("a", "gone")))
    assert catalogue.select(Filters(category=("toys",))).items.tolist() == [3]
    assert caplog.messages == ["--exclude: 1 of 2 ids are unknown, the first: 'gone'"]
    assert catalogue.select(Filters(category=("toys",))) is catalogue.select(Filters(category=("toys",)))
    with pytest.raises(UserError, match="the filters leave none of the 4 items"):
        Catalogue(folder=folder, item_count=5, filters=Filters(allow=("gone",)))
    with pytest.raises(UserError, match=r"category: 'book' is none of the categories; did you mean books\?"):
        Catalogue(folder=folder, item_count=5, filters=Filters(category=("book",)))
    (folder / "item_category.npy").unlink()
    with pytest.raises(UserError, match="category: 'toys' cannot be chosen: items have none"):
        Catalogue(folder=folder, item_count=5, filters=Filters(category=("toys",)))


def test_a_filter_that_is_given_twice_holds_twice(tmp_path):
    for name in ("first", "second", "empty"):
        (tmp_path / name).write_text("" if name == "empty" else f"{name}\n")
    parser = argparse.ArgumentParser()
    add_filter_arguments(parser)
    files = [str(tmp_path / name) for name in ("first", "second")]
    words = [word for option in ("--exclude", "--allow") for file in files for word in (option, file)]
    found = read_filters(parser.parse_args([*words, "--category", "a", "b", "--category", "c"]))
    assert found == Filters(("first", "second"), ("first", "second"), ("a", "b", "c"))
    assert read_filters(parser.parse_args([])) is None
    with pytest.raises(UserError, match="empty: no ids; give one a line"):
        read_filters(parser.parse_args(["--exclude", files[0], "--exclude", str(tmp_path / "empty")]))
