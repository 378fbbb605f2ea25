"""An index beside a checkpoint that is damaged or of other vectors is built again, since no sum covers it."""

import faiss
import numpy as np
import pytest

from tools.config.schema import Runner
from tools.retrieval.index import IndexFiles


@pytest.mark.parametrize("harm", ["cut", "empty", "fewer items", "another size", "others"])
def test_a_kept_index_that_does_not_fit_is_built_again(harm, tmp_path, caplog):
    vectors = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    files = IndexFiles(runner=Runner(index="hnsw", top_n=[5], best_metric="recall@5"))
    expected = files.keep(tmp_path, vectors).search(vectors[:9], 5)[1]
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    if harm in ("cut", "empty"):
        path.write_bytes(content[: len(content) // 2] if harm == "cut" else b"")
    elif harm == "others":  # as many, of the same size, under the same name
        files.keep(tmp_path / "other", vectors[::-1].copy())
        next((tmp_path / "other").iterdir()).replace(path)
        (tmp_path / "other").rmdir()
    else:
        other = faiss.IndexFlatIP(8 if harm == "fewer items" else 7)
        other.add(np.ones((100, other.d), np.float32))
        faiss.write_index(other, str(path))
    assert np.array_equal(files.keep(tmp_path, vectors).search(vectors[:9], 5)[1], expected)
    assert "it is built again" in caplog.text
    caplog.clear()
    files.keep(tmp_path, vectors)
    assert not caplog.text
