"""Runs as rows of a file: what says which settings they had, figures of single users as text, runs that were killed."""

import base64
import json
import shutil
import zlib
from pathlib import Path

import numpy as np

# Keys that don't say what is computed: where files are, and how a run that was killed goes on.
ASIDE = ("_dir", "_path", ".resume", ".keep_checkpoints", ".overwrite")


def portable(settings) -> dict:
    """A resolved configuration as JSON gives it back, without the keys `ASIDE`."""
    return json.loads(json.dumps(computed(settings.flat())))


def computed(flat) -> dict:
    """The keys that say what is computed."""
    return {key: value for key, value in flat.items() if not key.endswith(ASIDE)}


def pack(values) -> str:
    """A float32 of each user as text: nearly all of them are 0, so that a user takes about half a letter."""
    return base64.b64encode(zlib.compress(np.asarray(values, np.float32).tobytes(), 9)).decode()


def unpack(text) -> np.ndarray:
    """What `pack` was given."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.float32)


def append(path, row):
    """Add a run to a file, whole or not at all: one call of the system."""
    with open(path, "ab", buffering=0) as opened:
        opened.write(json.dumps(row).encode() + b"\n")


def begin(output: Path, resolved) -> Path:
    """A file that is there until a run has ended, with its settings. What another run left in the folder goes.

    Only what was killed is gone on with: a run that has ended and is asked for again, its row taken out, is a new one.
    """
    mark = output / "unfinished.json"
    if not mark.is_file() or mark.read_text() != resolved:
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir(parents=True)
        mark.write_text(resolved)
    return mark
