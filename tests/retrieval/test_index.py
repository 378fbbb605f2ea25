"""Every kind of index finds nearly what exact search finds, says how nearly, and is the same from its file."""

import logging

import numpy as np
import pytest

from tools.common.errors import UserError
from tools.config.schema import Runner
from tools.retrieval.exact import exact
from tools.retrieval.index import IndexFiles, build, load, recall, save, store
from tools.retrieval.kinds import plan
from tools.retrieval.retriever import Retriever
from tools.training.settings import load_settings

SIZE = 16


def clustered(count, seed=0, centres=100):
    """Vectors `[count, SIZE]` and interests around the same centres."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=(centres, SIZE))
    return tuple(
        (centre[rng.integers(centres, size=n)] + 0.5 * rng.normal(size=(n, SIZE))).astype("float32")
        for n in (count, 200)
    )  # fmt: skip


def runner(index, search=None, **values):
    return Runner(index=index, index_search=search, top_n=[20, 50], **values)


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw", "ivf_pq"])
@pytest.mark.parametrize("count", [300, 8000])
def test_kinds_find_nearly_what_exact_search_finds(kind, count, capfd):
    vectors, interests = clustered(count)
    index = build(vectors, runner(kind))
    assert index.ntotal == count - 1
    found = recall(index, vectors[1:], interests, 50)
    assert found >= 0.95
    assert found == 1 or kind != "flat"
    assert "WARNING" not in capfd.readouterr().err  # of k-means, for too few items


@pytest.mark.parametrize("kind", ["ivf", "hnsw", "ivf_pq"])
@pytest.mark.parametrize("count, size", [(3, 1), (3, 5), (40, 7), (79, 16)])
def test_few_items_are_no_reason_to_fail(kind, count, size):
    vectors = np.random.default_rng(0).normal(size=(count, size)).astype("float32")
    items = build(vectors, runner(kind)).search(vectors[:1], 100)[1]
    assert sorted(set(items[0]) - {-1}) == list(range(count - 1))


def test_recall_by_hand():
    vectors = np.eye(4, dtype="float32") * [[4], [3], [2], [1]]
    half = exact(np.concatenate([np.zeros((1, 4), "float32"), vectors[:2]]))  # knows items 0 and 1 only
    assert recall(half, vectors, np.ones((3, 4)), 4) == pytest.approx(0.5)
    assert recall(half, vectors, np.ones((3, 4)), 2) == 1


def built(caplog):
    """What was logged of indexes that were built; a slow machine logs stages too."""
    return [one for one in caplog.messages if "against exact search" in one]


def test_a_factory_string_is_built_as_it_says(caplog):
    vectors, interests = clustered(2000)
    with caplog.at_level(logging.INFO):
        index = build(vectors, runner("IVF32,PQ8np", "nprobe=32"))
        build(vectors, runner("hnsw"), queries=lambda: interests[:70])
        build(vectors, runner("flat"))
    assert (index.nlist, index.nprobe, index.pq.M) == (32, 32, 8)
    first, second = built(caplog)
    found = recall(index, vectors[1:], vectors[1:1001], 50)
    assert first == f"index IVF32,PQ8np: recall@50 {found:.4f} against exact search of 1000 items"
    assert second.startswith("index hnsw, HNSW32: recall@50 ")
    assert second.endswith(" against exact search of 70 interests")


def test_search_parameters_win_over_the_kinds_own():
    vectors, interests = clustered(8000)
    narrow, wide = (build(vectors, runner("ivf", f"nprobe={probes}")) for probes in (1, 10_000))
    assert recall(narrow, vectors[1:], interests, 50) < 0.95
    assert recall(wide, vectors[1:], interests, 50) == 1
    assert build(vectors, runner("ivf_pq", "nprobe=5, k_factor_rf=7")).k_factor == 7
    assert build(vectors, runner("hnsw", "efSearch=77")).hnsw.efSearch == 77


@pytest.mark.parametrize("held", [0, 1 << 30])
@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw", "ivf_pq"])
def test_a_mapped_index_finds_the_same(kind, held, tmp_path, monkeypatch):
    monkeypatch.setattr("tools.retrieval.index.HELD", held)  # up to which a graph is in memory
    vectors, interests = clustered(2000)
    index = build(vectors, runner(kind))
    save(index, tmp_path / "index.faiss")
    for mapped in (True, False):
        for one, other in zip(
            index.search(interests, 50),
            load(tmp_path / "index.faiss", runner(kind), mapped=mapped).search(interests, 50),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)
    assert [path.name for path in tmp_path.iterdir()] == ["index.faiss"]


@pytest.mark.parametrize("kind, left", [("flat", 0), ("ivf", 1), ("hnsw", 1), ("HNSW8", 1)])
def test_a_checkpoints_index_is_built_once(kind, left, tmp_path, caplog):
    vectors, interests = clustered(2000)
    files = IndexFiles(runner=runner(kind))
    with caplog.at_level(logging.INFO):
        first = files.keep(tmp_path, vectors).search(interests, 10)
        again = files.keep(tmp_path, vectors).search(interests, 10)
    assert len(built(caplog)) == len(list(tmp_path.iterdir())) == left
    np.testing.assert_array_equal(first[1], again[1])
    assert files.keep(tmp_path, vectors).ntotal == 1999


def test_other_vectors_or_another_setting_are_not_mistaken_for_the_kept_index(tmp_path, caplog):
    vectors, _ = clustered(2000)
    files = IndexFiles(runner=runner("hnsw"))
    with caplog.at_level(logging.INFO):
        for shown in (vectors, -vectors, vectors[:1500], vectors):
            index = files.keep(tmp_path, shown)
            assert index.search(shown[5:6], 1)[1].item() in range(len(shown) - 1)
            np.testing.assert_array_equal(index.reconstruct_n(0, 10), shown[1:11])
        ivf = IndexFiles(runner=runner("ivf", "nprobe=3")).keep(tmp_path, vectors)
        assert ivf.nprobe == 3
        assert IndexFiles(runner=runner("ivf", "nprobe=4")).keep(tmp_path, vectors).nprobe == 4  # the same file
    assert len(built(caplog)) == 4


def test_what_another_graph_comes_of_builds_another_index(tmp_path, caplog):
    vectors, _ = clustered(2000)
    with caplog.at_level(logging.INFO):
        for search in (None, "efConstruction=9", "efSearch=7, efConstruction = 9", "efSearch=7"):
            index = IndexFiles(runner=runner("hnsw", search)).keep(tmp_path, vectors)
            assert index.hnsw.efSearch == (7 if "efSearch" in (search or "") else 128)
    assert len(built(caplog)) == len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("kind", ["flat", "hnsw", "ivf", "ivf_pq"])
def test_a_grown_index_keeps_its_kind_and_finds_the_new(kind, tmp_path):
    vectors, _ = clustered(3000)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    files = store(runner(kind))
    files.write(tmp_path, vectors[:2990])
    before = files.read(tmp_path)
    files.grow(tmp_path, vectors, 2990)
    after = files.read(tmp_path)
    assert type(after) is type(before)
    assert (before.ntotal, after.ntotal) == (2989, 2999)
    assert after.search(vectors[2990:], 1)[1][:, 0].tolist() == list(range(2989, 2999))


def test_the_retriever_takes_any_index():
    vectors, interests = clustered(3000)
    live = np.ones((50, 4), bool)
    lists = [
        Retriever(index=build(vectors, runner(kind))).recommend(interests.reshape(50, 4, -1), live, 20)
        for kind in ("flat", "hnsw")
    ]
    assert (lists[0].items == lists[1].items).mean() > 0.9


def fails(text, *overrides, tmp_path):
    (tmp_path / "config.yaml").write_text("runner: {}\n")
    with pytest.raises(UserError, match=text) as error:
        load_settings(tmp_path / "config.yaml", overrides)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "index, search, message",
    [
        (
            "hnws",
            None,
            r"runner.index: 'hnws' is neither one of flat, ivf, hnsw, ivf_pq, milvus nor .*; did you mean hnsw\?",
        ),
        ("IVF16,PQ7", None, r"runner.index: 'IVF16,PQ7' .* vectors of 64 \(.*multiple of the number of subquantizers"),
        ("LSH", None, "runner.index: 'LSH' is neither"),
        ("hnsw", "nprobe=3", "runner.index_search: 'nprobe' is no search parameter of this index; ivf has nprobe"),
        ("flat", "nprobe=3", "runner.index_search: 'nprobe' is no search parameter of this index"),
        (
            "ivf",
            "nprobe=0",
            "runner.index_search: 'nprobe=0' is not name=number, a whole number above 0; write",
        ),
        ("ivf", "nprobe=many", "runner.index_search: 'nprobe=many' is not name=number"),
        ("ivf", "nprobe", "runner.index_search: 'nprobe' is not name=number"),
        ("milvus", "nprobe=3", "runner.index_search: does not apply to the index milvus; remove it"),
    ],
)
def test_a_wrong_index_is_a_wrong_configuration(index, search, message, tmp_path):
    options = [f"runner.index={index}", f"runner.index_search={search or 'null'}"]
    fails("^-o runner.index.*" + message, *options, tmp_path=tmp_path)


@pytest.mark.parametrize("factory", ["IVF1024,Flat", "PQ4", "IDMap,Flat"])
def test_what_cannot_hold_the_items_is_named(factory):
    vectors, _ = clustered(100)
    with pytest.raises(
        UserError, match=f"runner.index: {factory} cannot be made of 99 items .*; choose another or flat"
    ):
        build(vectors, runner(factory))


def test_a_file_that_is_no_index_or_of_another_kind_is_named(tmp_path):
    path = tmp_path / "index.faiss"
    vectors, _ = clustered(300)
    save(build(vectors, runner("flat")), path)
    with pytest.raises(UserError, match=r"index.faiss: runner.index_search: 'efSearch' is no search parameter"):
        load(path, runner("hnsw"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r"index.faiss: not readable as a Faiss index .*; export it again"):
        load(path, runner("flat"))
    with pytest.raises(UserError, match="cannot be written"):
        save(exact(vectors), tmp_path / "index.faiss" / "below")


def test_lists_grow_with_the_root_of_the_catalogue():
    assert plan("ivf", 368_000, 64).factory == "IVF2427,Flat"
    assert plan("ivf", 100, 64).factory == "IVF2,Flat"
    assert plan("ivf_pq", 368_000, 64).factory == "IVF2427,PQ32x8np,Refine(SQ8)"
    assert plan("HNSW16", 5, 64) == ("HNSW16", "")
