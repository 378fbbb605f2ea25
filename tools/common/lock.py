"""One writer a place: a lock that ends with the process that holds it, however that ends."""

import contextlib
import json
import logging
import os
import shlex
import socket
import sys
import threading
import weakref
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from tools.common.errors import UserError

try:
    import fcntl
except ImportError:  # no POSIX: there is no lock
    fcntl = None  # type: ignore[assignment]

_changing = threading.RLock()  # what follows
_held: dict[str, list[int]] = {}  # path of a lock -> its descriptor, and how often this process holds it


class Lock:
    """Holds a place until `close`, the end of this object or of the process, SIGKILL included; a context manager.

    A record lock, so no child process keeps it, and on NFS it counts between machines where the server has a lock
    manager. A file system without locks gets a warning.

    Args:
        path: of the lock file, which is made, and removed at the end.
        what: the place, for messages.
        shared: whether this process may hold it more than once.

    Raises:
        UserError: where it is held, with the process, the machine and since when.
    """

    def __init__(self, path, what, *, shared=False):
        self.path, self.what = Path(path).resolve(), what
        self.close: Callable[[], Any] = lambda: None
        if fcntl is None:
            return
        key, made = str(self.path), _make_folder(self.path.parent, what)
        with _changing:
            if key in _held and not shared:  # a record lock does not keep out its own process
                raise _told(what, {"pid": os.getpid(), "host": socket.gethostname(), "command": "this one"})
            if key not in _held:
                _held[key] = [self._acquire(), 0]
            _held[key][1] += 1
        self.close = weakref.finalize(self, _release, key, made, os.getpid())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _acquire(self) -> int:
        while True:
            try:
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                raise UserError(f"{self.what}: cannot be written ({error.strerror}); check space and rights") from None
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                holder = _holder(descriptor)
                os.close(descriptor)
                raise _told(self.what, holder) from None
            except OSError as error:
                logging.warning(
                    "%s: no lock on this file system (%s); start one writer only", self.what, error.strerror
                )
                return descriptor
            if _same_file(descriptor, self.path):  # else the last holder has removed it meanwhile
                _note(descriptor)
                return descriptor
            os.close(descriptor)


def beside(path, what) -> Lock:
    """The lock of what is replaced as a whole: `.NAME.lock` beside it."""
    return Lock(path.with_name(f".{path.name}.lock"), what)


def _make_folder(folder, what) -> list[Path]:
    """Make a folder; gives those that were missing, the innermost first."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{what}: cannot be written ({error.strerror}); check the path and rights") from None
    return missing


def _release(key, made, process):
    if os.getpid() != process:  # a child's copy of the object ends
        return
    with _changing:
        descriptor, times = _held[key]
        _held[key][1] -= 1
        if times > 1:
            return
        del _held[key]
        with contextlib.suppress(OSError):
            os.unlink(key)  # before it is let go, so that nobody holds a file that has no name
        os.close(descriptor)
    with contextlib.suppress(OSError):
        for folder in made:
            folder.rmdir()  # nothing was written into it


def _note(descriptor):
    command = shlex.join([os.path.basename(sys.argv[0]), *sys.argv[1:]])[:200]
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "command": command}
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _holder(descriptor) -> dict:
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _same_file(descriptor, path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


def _told(what, holder):
    who = f"process {holder.get('pid', '?')} on {holder.get('host', '?')}"
    since = f", since {holder['since']}" if "since" in holder else ""
    return UserError(
        f"{what}: is being written by {who}{since} ({holder.get('command', '?')}); wait for it, end it, or choose "
        "another folder"
    )
