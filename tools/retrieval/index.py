"""Faiss indexes of item vectors: how they are built, searched and kept, and what an approximate one finds.

`runner.index` is a kind or a Faiss factory string, `runner.index_search` what `faiss.ParameterSpace` takes. Scores are
inner products everywhere: where a model means cosines, its interests and item vectors are units.
"""

import contextlib
import logging
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from tools.common import progress, replacing
from tools.common.errors import UserError, did_you_mean
from tools.common.files import digest, shown
from tools.common.ragged import ragged
from tools.data import identity
from tools.retrieval.exact import exact, faiss
from tools.retrieval.index_file import made_of, reason, save
from tools.retrieval.kinds import KINDS, plan
from tools.retrieval.milvus import MilvusStore

BLOCK = 65_536  # items that are added at once
LARGEST = 2**20  # number in a factory string: the most inverted lists that Faiss itself speaks of
# Of search parameters: what a search allocates grows with them.
DEEPEST, MOST_SEARCHED = {"k_factor_rf": 1000, "k_factor": 1000}, 65_536
BUILDING = re.compile(r"efConstruction\s*=\s*(\d+)")  # of search parameters: that with which an index is built
SAMPLE = 1000  # queries that an approximate index is held against exact search with
HELD = 256 << 20  # bytes: graphs of up to so many are read into memory
MAPPED = getattr(faiss, "IO_FLAG_MMAP_IFC", 0)  # from Faiss 1.11 on


def create(factory, size):
    """An empty index of inner products; a `ValueError` that says what is wrong with the factory string."""
    if large := [one for one in re.findall(r"\d+", factory) if int(one[:20]) > LARGEST]:
        raise ValueError(f"{shown(factory)!r}: {shown(large[0])} is out of range; a number in it is at most {LARGEST}")
    try:
        return faiss.index_factory(size, factory, faiss.METRIC_INNER_PRODUCT)
    except (RuntimeError, MemoryError) as error:
        known = ", ".join([*KINDS, *STORES])
        raise ValueError(
            f"{shown(factory)!r} is neither one of {known} nor a Faiss factory string for inner products of vectors of "
            f"{size} ({shown(reason(error), 200)}){did_you_mean(factory, KINDS)}"
        ) from None


def set_search(index, text):
    """Set search parameters, `nprobe=32,…`; a `ValueError` for what is no parameter of the index."""
    for one in filter(None, text.split(",")):
        name, _, value = map(str.strip, one.partition("="))
        if not value.isdecimal() or not 0 < int(value) < 2**31:
            raise ValueError(f"{shown(one)!r} is not name=number, a whole number above 0; write nprobe=32, say")
        if int(value) > (most := DEEPEST.get(name, MOST_SEARCHED)):
            raise ValueError(f"{shown(one)!r} is out of range; {name} is at most {most}")
        try:
            faiss.ParameterSpace().set_index_parameter(index, name, int(value))
        except RuntimeError:
            raise ValueError(
                f"{shown(name)!r} is no search parameter of this index; ivf has nprobe, hnsw efSearch, ivf_pq nprobe "
                "and k_factor_rf, flat none"
            ) from None


def build(item_vectors, runner, *, queries=None):
    """The index of `runner.index`; what share of the exact lists an approximate one finds goes to the log.

    Args:
        item_vectors: `[item_count, D]`, row 0 is padding.
        runner: read are `index, index_search, top_n`.
        queries: makes interests `[n, D]`, of which the first 1,000 are searched for it; None: so many of the items.

    Raises:
        UserError: where Faiss cannot make it of these vectors.
    """
    vectors = np.ascontiguousarray(item_vectors[1:], np.float32)
    chosen = plan(runner.index, *vectors.shape)
    if chosen == KINDS["flat"](*vectors.shape):
        return exact(item_vectors)
    name = chosen.factory if runner.index == chosen.factory else f"{runner.index}, {chosen.factory}"
    try:
        index = create(chosen.factory, vectors.shape[1])
        set_search(index, f"{chosen.search},{runner.index_search or ''}")
        with progress.stage(f"train index {name}") as counted:
            index.train(vectors)
            counted["items"] = len(vectors)
        add(index, vectors)
        kind, asked = ("interests", queries()) if queries else ("items", vectors[:: max(1, len(vectors) // SAMPLE)])
        asked, depth = asked[:SAMPLE], min(max(runner.top_n), len(vectors))
        found = recall(index, vectors, asked, depth)
    except (RuntimeError, ValueError, MemoryError) as error:
        raise UserError(
            f"runner.index: {chosen.factory} cannot be made of {len(vectors)} items ({reason(error)}); choose another "
            "or flat"
        ) from None
    logging.info("index %s: recall@%d %.4f against exact search of %d %s", name, depth, found, len(asked), kind)
    return index


def add(index, vectors):
    """Add vectors `[n, D]`, block by block, so that a terminal shows how far it is."""
    with progress.stage("add to index") as counted:
        for start in progress.progress(range(0, len(vectors), BLOCK), name="blocks"):
            index.add(vectors[start : start + BLOCK])
        counted["items"] = len(vectors)


def recall(index, vectors, queries, depth) -> float:
    """Share of the exact `depth` best of `vectors` `[V, D]` that an index of them finds, mean over queries `[n, D]`."""
    queries = np.ascontiguousarray(queries, np.float32)
    _, wanted = faiss.knn(queries, vectors, depth, metric=faiss.METRIC_INNER_PRODUCT)  # [n, depth]
    _, found = index.search(queries, depth)
    rows = ragged(np.full(len(wanted), depth), wanted.reshape(-1) + 1)
    return float(rows.contains(found + 1).mean())  # Faiss says -1 for none, and 0 is in no row


def load(path, runner, *, of=None, mapped=True):
    """The index of a file, searched as `runner.index_search` says.

    Args:
        path: what `save` wrote.
        runner: read are `index, index_search`.
        of: what it must be of, as `save` took it; None: whatever it is.
        mapped: whether its content stays in the file, mapped to memory, where Faiss can, but for a graph of at most
            256 MB; items are added to others.

    Raises:
        UserError: where Faiss cannot read it, it is of something else, or the search parameters are not its own.
    """
    try:
        index = faiss.read_index(str(path), MAPPED if mapped else 0)
        if mapped and MAPPED and isinstance(index, faiss.IndexHNSW) and os.path.getsize(path) <= HELD:
            index = _held(path)
    except RuntimeError as error:
        raise UserError(f"{path}: not readable as a Faiss index ({reason(error)}); export it again") from None
    if of and (found := made_of(path)) != of:
        if found:
            raise UserError(f"{path}: the index of {found}, and this is {of}: it would find other items; export again")
        logging.warning("%s: does not say which items it is of; it is taken as given", path)
    try:
        set_search(index, f"{plan(runner.index, index.ntotal, index.d).search},{runner.index_search or ''}")
    except ValueError as error:
        raise UserError(f"{path}: runner.index_search: {error}") from None
    return index


def _held(path):
    """A graph in memory. Its search jumps from vector to vector, quicker so in the large pages that NumPy asks for."""
    content = np.fromfile(path, np.uint8)
    index: Any = faiss.read_index(faiss.ZeroCopyIOReader(faiss.swig_ptr(content), len(content)), MAPPED)  # type: ignore
    index.referenced_objects = [content]  # where the index has its vectors and links
    return index


class IndexFiles:
    """Keeps Faiss indexes in files; `runner` is that of the configuration."""

    def __init__(self, *, runner):
        self.runner = runner

    def errors(self, size):
        """`(key, what is wrong with it)` of the settings, for vectors of `size`."""
        chosen = plan(self.runner.index, 10**6, size)
        key = "index"
        try:
            index = create(chosen.factory, size)
            key = "index_search"
            set_search(index, self.runner.index_search or "")
        except ValueError as error:
            yield f"runner.{key}", str(error)

    def keep(self, folder, item_vectors, queries=None) -> Any:
        """The index of a checkpoint's vectors, built and kept beside it unless it is there already; see `build`.

        The file's name says of which vectors it is and how it was made. Exact search needs no file.
        """
        chosen = plan(self.runner.index, len(item_vectors) - 1, item_vectors.shape[1])
        if chosen.factory == "Flat":
            return exact(item_vectors)
        building = BUILDING.findall(self.runner.index_search or "")
        made = digest(",".join([chosen.factory, *building]).encode(), item_vectors)
        path = Path(folder) / f"index-{made}.faiss"
        if path.is_file():
            with contextlib.suppress(UserError):
                index = load(path, self.runner)
                if made_of(path) == f"vectors {made}" and (index.ntotal + 1, index.d) == item_vectors.shape:
                    return index
            logging.warning("%s: damaged, or of other vectors; it is built again", path)
        with replacing.writing(path):
            save(build(item_vectors, self.runner, queries=queries), path, f"vectors {made}")
        return load(path, self.runner)

    def write(self, folder, item_vectors):
        """Build an export's index; the item map is there already."""
        save(build(item_vectors, self.runner), Path(folder) / "index.faiss", _map(folder))

    def read(self, folder) -> Any:
        """An export's index, as `load` takes it; without an identity of the export, which is told, as it is."""
        of = _map(folder) if identity.read(folder) else None
        return load(Path(folder) / "index.faiss", self.runner, of=of)

    def grow(self, folder, item_vectors, first):
        """Add the items from `first` on to an export's index, which keeps its kind, lists and codes.

        The item map has the new items already, and the export's identity is still that of the old ones.
        """
        path, carried = Path(folder) / "index.faiss", identity.read(folder)
        old = carried and carried.item_map and f"map {carried.item_map}"
        index = load(path, self.runner, of=old, mapped=False)
        add(index, np.ascontiguousarray(item_vectors[first:], np.float32))
        save(index, path, _map(folder))


def _map(folder):
    return (found := identity.map_digest(folder)) and f"map {found}"


STORES: dict[str, Any] = {"milvus": MilvusStore}


def store(runner) -> Any:
    """Where the index of `runner.index` is kept: its `errors`, `keep`, `write`, `read` and `grow`."""
    return STORES.get(runner.index, IndexFiles)(runner=runner)
