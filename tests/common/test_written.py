"""What cannot be written to its last byte is an error, whichever library writes; a size limit acts as a full disk."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tools.common import checksums
from tools.common.files import atomic_file, atomic_folder, load_array
from tools.common.written import append, save_array
from tools.retrieval import index

ROOM = 20_000  # bytes that a file may have


def limited(write):
    """What a function raises in a process whose files may have `ROOM` bytes: the name of the exception, or nothing."""
    reading, writing = os.pipe()
    if not (process := os.fork()):
        told = ""
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
            write()
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as file:
        told = file.read()
    os.waitpid(process, 0)
    return told


def stretch(path, size):
    with open(path, "wb") as file:
        append(file, np.zeros(size, "i1"))


def faiss_index(size):
    """About so many bytes."""
    return index.exact(np.ones((size // 16, 4), np.float32))


WRITERS = {
    "npy": lambda path, size: save_array(path, np.zeros(size, "i1")),
    "stretch": stretch,
    "faiss": lambda path, size: index.save(faiss_index(size), path),
    "npz": lambda path, size: np.savez(path, a=np.zeros(size, "i1")),
}


@pytest.mark.parametrize("over", [100, ROOM])  # the last block of a C library's buffer, and all
@pytest.mark.parametrize("name", WRITERS)
def test_an_error_of_a_write_is_seen(name, over, tmp_path):
    path = tmp_path / f"file.{name}"
    assert limited(lambda: WRITERS[name](path, ROOM + over)).startswith(("OSError", "UserError"))
    assert limited(lambda: WRITERS[name](path, ROOM - 1000)) == ""


def test_a_half_written_index_does_not_stay(tmp_path):
    assert limited(lambda: index.save(faiss_index(2 * ROOM), tmp_path / "index.faiss"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("array", [np.arange(6).reshape(2, 3), np.zeros((0, 4), "f4"), np.array(["a", "bcd"])])
def test_an_array_is_what_numpy_writes(array, tmp_path):
    save_array(tmp_path / "own.npy", array)
    np.save(tmp_path / "its.npy", array)
    assert (tmp_path / "own.npy").read_bytes() == (tmp_path / "its.npy").read_bytes()
    assert np.array_equal(load_array(tmp_path / "own.npy", "no"), array)


def test_text_and_sums_are_written_to_their_end(tmp_path):
    def text():
        with atomic_file(tmp_path / "text.csv") as file:
            file.write("x" * (ROOM + 10))

    def sums():
        with atomic_folder(tmp_path / "folder") as folder:
            for number in range(300):
                (folder / f"{number:099}").touch()
            checksums.write(folder)

    assert "cannot be written" in limited(text)
    assert "cannot be written" in limited(sums)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.slow
def test_a_full_standard_output_is_an_error():
    with open("/dev/full", "w", encoding="utf-8") as full:
        command = [sys.executable, "-m", "tools.config_reference"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 2
    assert "error: no space is left" in done.stderr
