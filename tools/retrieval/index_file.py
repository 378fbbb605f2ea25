"""Faiss's index files, with what each is of in a line behind Faiss's bytes, which Faiss passes over.

An index has numbers only. Without that line one of another data set, with as many items, would be searched in silence.
"""

import os
import re

from tools.common import progress
from tools.common.errors import UserError
from tools.common.files import atomic_path
from tools.retrieval.exact import faiss

LINE = re.compile(rb"\nindex of ([a-z]+ [0-9a-f]{16})\n\Z")
LONGEST = 64  # bytes of the line


def save(index, path, of=None):
    """Write an index, whole or not at all; a `UserError` where that fails. Faiss closes files of its own unchecked.

    Args:
        index: Faiss's.
        path: of the file.
        of: what the index is of, a word and a digest; None: nothing tells.
    """
    with progress.stage(f"write {path}"), atomic_path(path) as temporary, open(temporary, "wb") as file:
        try:
            faiss.write_index(index, faiss.PyCallbackIOWriter(file.write, 1 << 22))  # type: ignore[attr-defined]
        except RuntimeError as error:
            raise UserError(f"{path}: cannot be written ({reason(error)}); check space and rights") from None
        if of:
            file.write(f"\nindex of {of}\n".encode())


def made_of(path) -> str | None:
    """What an index file is of; None for one that does not say it."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - LONGEST))
        found = LINE.search(file.read())
    return found[1].decode() if found else None


def reason(error):
    """What a RuntimeError of Faiss's says, without where in its source."""
    return re.sub(r"(?s).*\.cpp:\d+: (Error: )?", "", str(error)).strip()
