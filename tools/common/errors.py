"""Errors that the user can correct, and how a command ends: exit code 0, 1 our fault, 2 the user's, 130 Ctrl-C."""

import difflib
import errno
import functools
import os
import shlex
import sys
import traceback


class UserError(Exception):
    """Wrong input. The message gives the value, the rule and the fix; a command prints it and exits with code 2."""


def command(main):
    """Let a command's `main` end with the exit code and the message of what went wrong.

    A `UserError`: 2 and its message alone. Ctrl-C: 130, silently. A reader of our output that has left, as `head`
    does: 0. Anything else is our fault: 1, the traceback, and how to report it.
    """

    @functools.wraps(main)
    def wrapped(*args, **kwargs):
        try:
            main(*args, **kwargs)
            sys.stdout.flush()  # what fails here is caught, and at the interpreter's end is not
        except KeyboardInterrupt:
            sys.exit(130)
        except Exception as error:
            sys.exit(_code(error))

    return wrapped


def _code(error) -> int:
    """Exit code of an exception, after its message is printed."""
    if isinstance(error, UserError):
        print(f"error: {error}", file=sys.stderr)
        return 2
    if isinstance(error, BrokenPipeError):
        _forget_output()
        return 0
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _forget_output()
        print("error: no space is left on the device that is written to; free some or write elsewhere", file=sys.stderr)
        return 2
    if isinstance(error, MemoryError):
        reason = " ".join(str(error).split("[Hint")[0].split()) or "no more is to be had"
        print(f"error: out of memory ({reason[:200]}); lower batch sizes, embedding_dim or maxlen", file=sys.stderr)
        return 2
    traceback.print_exception(error)
    told = shlex.join(sys.orig_argv)
    print(f"error: this is our fault, not yours; please report it with all of the above and: {told}", file=sys.stderr)
    return 1


def _forget_output():
    """Send what is still to be printed nowhere, since the interpreter would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def did_you_mean(word, known):
    """`; did you mean X?` for the nearest of the known words, or the empty string."""
    names = {str(one).lower(): one for one in known}
    nearest = difflib.get_close_matches(str(word).lower(), list(names), n=1, cutoff=0.5)
    return f"; did you mean {names[nearest[0]]}?" if nearest else ""
