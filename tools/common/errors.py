"""Errors that the user can correct, and how a command ends: exit code 0, 1 our fault, 2 the user's, 130 Ctrl-C."""

import contextlib
import difflib
import errno
import functools
import os
import shlex
import signal
import sys
import threading
import traceback

from tools.common import parent

# What the system says that no code of ours can mend, and what who asked can do.
SYSTEM = {
    errno.ENOSPC: "no space is left on the device that is written to; free some or write elsewhere",
    errno.EDQUOT: "no space is left of the quota; free some or write elsewhere",
    errno.EFBIG: "the file grows larger than the system allows; raise the limit (ulimit -f) or write elsewhere",
    errno.EIO: "the device fails to read or write; use another",
    errno.EROFS: "the file system can only be read; write elsewhere",
    errno.EACCES: "no right to it; check name and rights",
    errno.EPERM: "no right to it; check name and rights",
    errno.ENAMETOOLONG: "the name is too long for the system; shorten it",
    errno.ELOOP: "links that lead to each other; check the name",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n)",
}
LONGEST = 200  # characters of a name in a message


class UserError(Exception):
    """Wrong input. The message gives the value, the rule and the fix; a command prints it and exits with code 2."""


def command(main):
    """Let a command's `main` end with the exit code and the message of what went wrong.

    A `UserError`: 2 and its message alone. Ctrl-C: 130, silently. A reader of our output that has left, as `head`
    does: 0. Anything else is our fault: 1, the traceback, and how to report it.
    """

    @functools.wraps(main)
    def wrapped(*args, **kwargs):
        open_standard_streams()
        hear_signals()
        try:
            main(*args, **kwargs)
            sys.stdout.flush()  # what fails here is caught, and at the interpreter's end is not
        except KeyboardInterrupt:
            sys.exit(130)
        except Exception as error:
            parent.finish_undisturbed()
            sys.exit(_code(error))

    return wrapped


def hear_signals():
    """Let SIGTERM end a process, and Ctrl-C a wait for a pipe or a slow disk; in the main thread, after all imports.

    Paddle's import sets a handler for SIGTERM that asks for memory, and waits for ever where the signal came while some
    was being given out. Polars sets one for Ctrl-C that restarts reads.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if hasattr(signal, "siginterrupt"):
            signal.siginterrupt(signal.SIGINT, True)


def _code(error) -> int:
    """Exit code of an exception, after its message is printed."""
    if isinstance(error, UserError):
        _tell(f"error: {error}")
        return 2
    if isinstance(error, BrokenPipeError):
        _forget_output()
        return 0
    if isinstance(error, OSError) and error.errno in SYSTEM:
        _forget_output()
        _tell(f"error: {_place(error)}{SYSTEM[error.errno]}")
        return 2
    if isinstance(error, MemoryError):
        reason = " ".join(str(error).split("[Hint")[0].split()) or "no more is to be had"
        _tell(f"error: out of memory ({reason[:200]}); lower batch sizes, embedding_dim or maxlen")
        return 2
    _tell("".join(traceback.format_exception(error)).rstrip("\n"))
    told = shlex.join(sys.orig_argv)
    _tell(f"error: this is our fault, not yours; please report it with all of the above and: {told}")
    return 1


def _tell(text):
    with contextlib.suppress(OSError):  # standard error may be full as well
        print(text, file=sys.stderr)


def _place(error):
    """The name of the file that an `OSError` is about, in one line of some length, or nothing."""
    if error.filename is None:
        return ""
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    return f"{name if len(name) < LONGEST else name[:40] + '…'}: "


def _forget_output():
    """Send what is still to be printed nowhere, since the interpreter would try again at its end."""
    with contextlib.suppress(OSError, ValueError):  # a stream without a file, as in a notebook
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_standard_streams():
    """Give the streams that were closed before we started to nobody, and their numbers with them.

    Otherwise the next file that is opened gets the number, and what a library prints goes into it.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, for as long as we run


def output_is_closed() -> bool:
    """Whether standard output was closed before we started."""
    return getattr(sys.stdout, "name", None) == os.devnull


def did_you_mean(word, known):
    """`; did you mean X?` for the nearest of the known words, or the empty string."""
    names = {str(one).lower(): one for one in known}
    nearest = difflib.get_close_matches(str(word).lower(), list(names), n=1, cutoff=0.5)
    return f"; did you mean {names[nearest[0]]}?" if nearest else ""
