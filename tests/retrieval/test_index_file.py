"""An index file says what it is of, and Faiss reads it all the same."""

import faiss
import numpy as np
import pytest

from tools.common.errors import UserError
from tools.config.schema import Runner
from tools.data import identity
from tools.data.dataset import write_map
from tools.retrieval.index import IndexFiles
from tools.retrieval.index_file import made_of

FILES = IndexFiles(runner=Runner(index="hnsw", top_n=[5], best_metric="recall@5"))


def export(folder, shift):
    folder.mkdir()
    write_map(folder / "item_map.csv", ("item", "original"), ((n, f"i{n + shift}") for n in range(1, 200)))
    vectors = np.random.default_rng(shift).normal(size=(200, 8)).astype(np.float32)
    FILES.write(folder, vectors)
    identity.write(folder, identity.Identity(item_map=identity.map_digest(folder)))
    return folder / "index.faiss", vectors


def test_the_index_of_one_map_beside_another_is_refused(tmp_path, caplog):
    (one, vectors), (other, _) = export(tmp_path / "one", 0), export(tmp_path / "other", 1)
    expected = FILES.read(one.parent).search(vectors[:9], 5)[1]
    assert np.array_equal(faiss.read_index(str(one)).search(vectors[:9], 5)[1], expected)  # as any program reads it
    assert made_of(one) != made_of(other)
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    with pytest.raises(UserError, match=r"index of map [0-9a-f]{16}, and this is map [0-9a-f]{16}: it would"):
        FILES.read(one.parent)
    one.write_bytes(content[: content.rindex(b"\nindex of")])
    assert not caplog.text
    assert np.array_equal(FILES.read(one.parent).search(vectors[:9], 5)[1], expected)  # one of another program
    assert "does not say which items it is of" in caplog.text


def test_a_folder_without_a_map_is_taken_as_it_is(tmp_path, caplog):
    vectors = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    FILES.write(tmp_path, vectors)
    assert made_of(tmp_path / "index.faiss") is None
    assert FILES.read(tmp_path).ntotal == 199
    assert not caplog.text
