"""Files that may come from a stranger: regular ones only, and no larger unpacked than they look."""

import contextlib
import math
import os
import stat
from pathlib import Path

import numpy as np

SPARE = 1 << 26  # bytes that any archive may unpack to
EXPANSION = 16  # and how many more than it has; ours are not compressed


def open_regular(path):
    """Open a file to read its bytes; an `OSError` for a device or a pipe, which might never end, before it waits."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(None, "not a regular file", str(path))
    return open(descriptor, "rb")


def read_regular(path, most) -> bytes:
    """The bytes of a regular file; an `OSError` where it has more than `most`."""
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(None, f"larger than the {most:,} bytes that such a file may have", str(path))
    return content


def inside(folder, name) -> Path:
    """The file of a folder that a list names; an `OSError` where the name, or a link on its way, leads out of it."""
    path, root = Path(folder) / name, Path(folder).resolve()
    if not path.resolve().is_relative_to(root):
        raise OSError(None, "it leads out of the folder", str(path))
    return path


def strangers(folder) -> list[str]:
    """What below a folder is neither a file nor a folder, a pipe or a device say; names, in order."""
    found = []
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            with contextlib.suppress(OSError):  # gone meanwhile, or a link to nothing, which is told as missing
                path = os.path.join(parent, name)
                if stat.S_IFMT(os.stat(path).st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
                    found.append(os.path.relpath(path, folder))
    return sorted(found)


def check_array(file, left):
    """See that an .npy file's header claims the bytes that follow it; a `ValueError` otherwise.

    Args:
        file: open, at the header, where it stands again afterwards.
        left: bytes from there to the end.
    """
    start = file.tell()
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read:
        raise ValueError(f"version {version} of the format, and only 1.0 and 2.0 are read")
    shape, _, kind = read[version](file)
    claimed, found = math.prod(shape) * kind.itemsize, left - (file.tell() - start)
    if claimed != found:
        raise ValueError(f"the header claims {claimed:,} bytes and {found:,} follow")
    file.seek(start)


def check_archive(archive, size):
    """See that a zip file of so many bytes doesn't unpack to a multiple of them; a `ValueError` otherwise."""
    unpacked = sum(one.file_size for one in archive.infolist())
    if unpacked > SPARE + EXPANSION * size:
        raise ValueError(f"{size:,} bytes that unpack to {unpacked:,}")
