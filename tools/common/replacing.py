"""A new file or folder in an old one's place: whoever looks sees the old or the new one whole, whenever a kill comes.

Linux exchanges two folders in one step. Elsewhere the old one is renamed away first; a kill in between leaves it under
a name that `restore` knows, and whoever comes next puts it back.
"""

import contextlib
import ctypes
import errno
import functools
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.common.errors import UserError
from tools.common.lock import Lock, beside

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux's headers
NEW, OLD = "tmp", "old"  # what stands between name and random letters: `.data.tmp-k3f9x2ab`
MOVING = ".rename"  # ends the name of the lock that is held between two renames
PATIENCE = 10.0  # seconds that a reader waits for a writer between its two renames
TRIES = 20  # of reading what is replaced meanwhile


def scratch_name(path, kind=NEW) -> str:
    """How what is made beside a path begins."""
    return f".{Path(path).name}.{kind}-"


def leftovers(folder, name=r".+", kind=NEW) -> list[tuple[Path, str]]:
    """What killed processes left in a folder, and the name that each belongs to.

    Args:
        folder: where to look.
        name: pattern of the names.
        kind: `NEW` or `OLD`.
    """
    pattern = re.compile(rf"\.({name})\.{kind}-[a-z0-9_]{{8}}")
    found = ((path, pattern.fullmatch(path.name)) for path in sorted(Path(folder).glob(f".*.{kind}-????????")))
    return [(path, match[1]) for path, match in found if match]


def clean(folder, name):
    """Put right what killed writers of such names left; to be called by who holds their lock.

    Args:
        folder: where they wrote.
        name: pattern of the names.
    """
    for path, own in leftovers(folder, name, OLD):
        restore(path.with_name(own))
        remove(path)
    for path, _ in leftovers(folder, name):
        remove(path)
    for path in Path(folder).glob(f".*{MOVING}"):
        if re.fullmatch(name, own := path.name[1 : -len(MOVING)]):
            with _renaming(path.with_name(own)):
                pass  # who lets it go removes it


@contextlib.contextmanager
def writing(path):
    """Held by who writes a file or folder; what killed writers left there is put right first. A link is followed.

    Raises:
        UserError: where another process holds it, see `tools.common.lock`.
    """
    real = Path(os.path.realpath(path))
    if real.is_char_device():
        yield
        return
    with beside(real, path):
        clean(real.parent, re.escape(real.name))
        yield


def remove(path):
    """Remove a file, link or folder; what vanishes meanwhile is gone as well."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def discard(path):
    """Remove a folder under a name that `clean` knows, so that a kill leaves no half of it under its own."""
    away = Path(tempfile.mkdtemp(prefix=scratch_name(path), dir=path.parent))
    path.rename(away)  # an empty folder is replaced
    shutil.rmtree(away)


def restore(path):
    """Bring back a folder that a killed writer had renamed away and not replaced yet; to be called by readers.

    A writer that lives is waited for.
    """
    real = Path(os.path.realpath(path))
    if os.path.lexists(real) or not any(_renamed_away(real)):
        return
    with _renaming(real):  # once it is held, no writer is between its two renames
        for old in [] if os.path.lexists(real) else _renamed_away(real)[:1]:
            _undo(old, real)


def _undo(old, path):
    try:
        old.rename(path)
    except OSError as error:
        told = f"its replacement was broken off and cannot be undone ({error.strerror})"
        raise UserError(f"{path}: {told}; rename {old} to {path}") from None


def _renamed_away(path):
    found = (one for one, _ in leftovers(path.parent, re.escape(path.name), OLD))
    return [one for one in found if any(one.iterdir())]  # an empty one was to get the old content


@contextlib.contextmanager
def _renaming(path):
    """Held for the moment of two renames; another who holds it is waited for."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            lock = Lock(path.with_name(f".{path.name}{MOVING}"), path)
            break
        except UserError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
    with lock:
        yield


def folder_target(path) -> Path:
    """The folder that a new one replaces, links followed; a `UserError` for what cannot be replaced."""
    real = Path(os.path.realpath(path))
    if real.exists() and not real.is_dir():
        raise UserError(f"{path}: a file stands where a folder is to be written; choose another place or move it")
    if os.path.ismount(real):
        raise UserError(f"{path}: is a mount point, which cannot be replaced by a new folder; choose one below it")
    return real


def file_target(path) -> Path | None:
    """The file that a new one replaces, links followed; None for a device, which is written into.

    Raises:
        UserError: for a folder and other special files.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError:
        mode = stat.S_IFREG  # there is none yet
    if stat.S_ISCHR(mode):
        return None
    if stat.S_ISDIR(mode):
        raise UserError(f"{path}: a folder stands where a file is to be written; choose another name")
    if not stat.S_ISREG(mode):
        raise UserError(f"{path}: is no regular file; choose another name")
    return Path(os.path.realpath(path))


def put(temporary: Path, path: Path):
    """Let a whole new folder take a path, and remove the old one."""
    if not path.exists():
        temporary.rename(path)
    elif exchange(temporary, path):
        remove(temporary)
    else:
        old = Path(tempfile.mkdtemp(prefix=scratch_name(path, OLD), dir=path.parent))
        with _renaming(path):
            path.rename(old)  # an empty folder is replaced
            temporary.rename(path)
        remove(old)


def exchange(one, other) -> bool:
    """Let two names change places in one step; False where the system or the file system cannot."""
    call = _renameat2()
    if call is None:
        return False
    if call(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), str(other))


@functools.cache
def _renameat2():
    try:
        return ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return None


def read_whole(folder, read: Callable[[], Any]) -> Any:
    """What `read()` makes of a folder's files, read again where the folder was replaced meanwhile.

    Args:
        folder: one that carries SHA256SUMS; without, it is read once.
        read: the reading; it may fail in any way where files of two folders come together.
    """
    for _ in range(TRIES):
        restore(folder)
        before = version(folder)
        try:
            found = read()
        except Exception:
            away = before is None and _renamed_away(Path(os.path.realpath(folder)))
            if version(folder) == before and not away:
                raise
            time.sleep(0.02)
            continue
        if version(folder) == before:
            return found
    raise UserError(f"{folder}: is replaced again and again while it is read; wait until that ends")


def version(folder) -> tuple | None:
    """What changes when a folder is replaced, and with nothing that is written into it."""
    try:
        sums = os.stat(Path(folder) / "SHA256SUMS")
        return os.stat(folder).st_ino, sums.st_ino, sums.st_mtime_ns
    except OSError:
        return None
