"""Milvus in Faiss's place, embedded (Milvus Lite) or a cluster: the same code, another address."""

import logging
from pathlib import Path

import numpy as np

from tools.common import progress
from tools.common.errors import UserError
from tools.common.files import digest, map_array
from tools.retrieval.selection import Selection

LITE = "milvus.db"  # where Milvus Lite keeps its data, which changes with each use
ROWS = 4096  # a request, so that none grows with the catalogue
DEEPEST = 16_384  # Milvus's own limit of a list


class MilvusIndex:
    """Faiss's interface to the collection of item vectors, which is made and filled where it isn't there yet.

    A collection is named after its vectors, so that those of another checkpoint are never found in it. It is searched
    exactly.

    Args:
        uri: a server's address, or a path, where Milvus Lite keeps its data.
        item_vectors: `[item_count, D]`, row 0 is padding and left out.

    Raises:
        UserError: without the package, and where Milvus cannot be reached or does not take the vectors.
    """

    def __init__(self, *, uri, item_vectors):
        self.client = _connect(uri)
        self.ntotal, size = len(item_vectors) - 1, item_vectors.shape[1]
        self.name = f"items_{digest(item_vectors)}"
        try:
            if not self._is_full():
                self._fill(item_vectors, size)
            self.client.load_collection(self.name)
        except _errors() as error:
            raise UserError(f"runner.milvus_uri: {uri}: {_reason(error)}; see the server's log") from None

    def _is_full(self):
        if not self.client.has_collection(self.name):
            return False
        return int(self.client.get_collection_stats(self.name)["row_count"]) == self.ntotal

    def _fill(self, item_vectors, size):
        from pymilvus import DataType

        if self.client.has_collection(self.name):  # a run that was broken off left it
            self.client.drop_collection(self.name)
        schema = self.client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=size)
        index = self.client.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="IP")
        self.client.create_collection(self.name, schema=schema, index_params=index, consistency_level="Strong")
        with progress.stage("add to index milvus") as counted:
            blocks = range(1, self.ntotal + 1, ROWS)  # ids as Faiss counts, from 0; rows are what the client takes
            for start in progress.progress(blocks, name="blocks"):
                block = np.asarray(item_vectors[start : start + ROWS], np.float32)
                rows = [{"id": start - 1 + row, "vector": vector} for row, vector in enumerate(block)]
                self.client.insert(self.name, rows)
            self.client.flush(self.name)
            counted["items"] = self.ntotal

    def search(self, queries, depth, selection: Selection | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The best items of each row, as Faiss gives them.

        Args:
            queries: `[n, D]`.
            depth: how many.
            selection: the items that may be found, told by Milvus's own filter expression; None: all.

        Returns:
            `(scores, items)`, `[n, depth]`, best first; item -1, score -inf where there is none.
        """
        scores = np.full((len(queries), depth), -np.inf, np.float32)
        items = np.full(scores.shape, -1, np.int64)
        kept = min(depth, self.ntotal, DEEPEST)
        chosen = "" if selection is None else _expression(selection)
        for start in range(0, len(queries), ROWS):
            block = queries[start : start + ROWS]
            found = self.client.search(self.name, data=list(block), limit=kept, output_fields=["id"], filter=chosen)
            for row, hits in enumerate(found, start):
                items[row, : len(hits)], scores[row, : len(hits)] = hits.ids, hits.distances
        return scores, items


def _expression(selection) -> str:
    """A selection as Milvus says it, by whichever is shorter: the ids that pass, or those that don't."""
    passing, others = (np.flatnonzero(one) for one in (selection.allowed[1:], ~selection.allowed[1:]))
    word, ids = ("in", passing) if len(passing) <= len(others) else ("not in", others)
    return f"id {word} {ids.tolist()}"


def _connect(uri):
    try:
        from pymilvus import MilvusClient
    except ImportError:
        raise UserError("runner.index: milvus needs an extra; install it with: pip install '.[milvus]'") from None
    # They log when they start and stop, and with tracebacks what they raise; the client first tries calls that Milvus
    # Lite does not have.
    for name in ("grpc._server", "milvus_lite", "pymilvus"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return MilvusClient(str(uri))
    except _errors() as error:
        reason = _reason(error)
        raise UserError(f"runner.milvus_uri: {uri}: no Milvus there ({reason}); give an address or a path") from None


def _errors():
    from pymilvus.exceptions import MilvusException

    return MilvusException, OSError


def _reason(error):
    return str(getattr(error, "message", None) or error).strip().splitlines()[0]


class MilvusStore:
    """Keeps item vectors in Milvus; methods as of `tools.retrieval.index.IndexFiles`.

    Args:
        runner: `runner.*` of the configuration; read are `milvus_uri, index_search`.
    """

    def __init__(self, *, runner):
        self.runner = runner

    def errors(self, size):
        """`(key, what is wrong with it)` of the settings."""
        if self.runner.index_search:
            yield "runner.index_search", "does not apply to the index milvus; remove it"

    def keep(self, folder, item_vectors, queries=None) -> MilvusIndex:
        """The index of a checkpoint's vectors; null as `milvus_uri` is milvus.db beside the checkpoint's folder."""
        return self._open(Path(folder).parent, item_vectors)

    def write(self, folder, item_vectors):
        """Fill an export's index on a server; milvus.db in the export, for null, is left to the first `read`.

        Milvus Lite holds its folder until the process ends, and an export is moved to its place when it is whole.
        """
        if self.runner.milvus_uri:
            self._open(folder, item_vectors)

    def read(self, folder) -> MilvusIndex:
        """An export's index."""
        return self._open(folder, map_array(Path(folder) / "item_vectors.npy", "export it again"))

    def grow(self, folder, item_vectors, first):
        """The index of an export to which items were added: a collection of its own."""
        self.write(folder, item_vectors)

    def _open(self, folder, item_vectors):
        return MilvusIndex(uri=self.runner.milvus_uri or Path(folder) / LITE, item_vectors=item_vectors)
