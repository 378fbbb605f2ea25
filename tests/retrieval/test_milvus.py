"""Milvus Lite finds what exact search finds."""

import resource
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tools.common.errors import UserError
from tools.config.schema import Runner
from tools.retrieval.exact import exact
from tools.retrieval.index import store
from tools.retrieval.retriever import Retriever


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(9001, 8)).astype("float32")


@pytest.mark.extras
def test_the_lists_are_those_of_exact_search(vectors, tmp_path):
    rng = np.random.default_rng(1)
    interests, live = rng.normal(size=(30, 3, 8)).astype("float32"), rng.random((30, 3)) < 0.7
    index = store(Runner(index="milvus")).keep(tmp_path / "best", vectors)
    got, expected = (Retriever(index=one).recommend(interests, live, 20) for one in (index, exact(vectors)))
    np.testing.assert_array_equal(got.items, expected.items)
    np.testing.assert_array_equal(got.interest, expected.interest)
    np.testing.assert_allclose(got.scores, expected.scores, rtol=1e-5)
    assert (tmp_path / "milvus.db").exists()


@pytest.mark.extras
def test_a_collection_is_filled_once_and_of_these_vectors_only(vectors, tmp_path):
    milvus = store(Runner(index="milvus", milvus_uri=str(tmp_path / "own.db")))
    first = milvus.keep(tmp_path, vectors)
    first.client.insert = None  # a second filling would call it
    assert first._is_full()
    other = milvus.keep(tmp_path, vectors[:50])
    assert (first.ntotal, other.ntotal) == (9000, 49)
    assert other.name != first.name
    first.client.close()
    again = milvus.keep(tmp_path, vectors)
    assert again.name == first.name
    scores, items = other.search(vectors[:2], 60)
    assert sorted(items[0][:49]) == list(range(49))
    assert (items[:, 49:] == -1).all()
    assert (scores[:, 49:] == -np.inf).all()


@pytest.mark.extras
def test_a_filling_that_was_broken_off_is_made_anew(vectors, tmp_path, monkeypatch):
    milvus = store(Runner(index="milvus"))
    index = milvus.keep(tmp_path / "best", vectors)
    index.client.delete(index.name, ids=[3, 4])
    index.client.flush(index.name)
    again = milvus.keep(tmp_path / "best", vectors)
    assert set(again.search(vectors[4:6], 9000)[1][0]) == set(range(9000))


@pytest.mark.extras
def test_a_full_disk_is_told_and_got_over(vectors, tmp_path, capfd):
    milvus, limits = store(Runner(index="milvus")), resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (100_000, 350_000):  # the log of inserts, and the file that they are moved to
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            with pytest.raises(UserError, match="File too large"):
                milvus.keep(tmp_path / "best", vectors)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert capfd.readouterr().err == ""
    assert milvus.keep(tmp_path / "best", vectors).search(vectors[1:4], 1)[1].shape == (3, 1)


@pytest.mark.extras
def test_no_server_is_an_error_in_one_line(vectors, tmp_path):
    with pytest.raises(UserError, match=r"runner.milvus_uri: .*no Milvus there"):
        store(Runner(index="milvus", milvus_uri="http://127.0.0.1:9")).keep(tmp_path, vectors)


def test_without_the_package_its_extra_is_named(vectors, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(
        UserError, match=r"runner.index: milvus needs an extra; install it with: pip install '.\[milvus\]'"
    ):
        store(SimpleNamespace(index="milvus", milvus_uri=None)).keep(tmp_path / "best", vectors)
