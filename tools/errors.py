"""Errors that are the user's to mend, and how a command ends on one."""

import difflib
import functools
import os
import sys


class UserError(Exception):
    """Wrong input. The message gives the value, the rule and the fix; a command prints it and exits with code 2."""


def exits_with_code_2(main):
    """Let a command's `main` end on a `UserError` with its message and exit code 2, without a traceback."""

    @functools.wraps(main)
    def wrapped(*args, **kwargs):
        try:
            return main(*args, **kwargs)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
        except BrokenPipeError:  # the reader of our output has left, as `head` does: nobody to tell
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)

    return wrapped


def did_you_mean(word, known):
    """`; did you mean X?` for the nearest of the known words, or the empty string."""
    nearest = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.5)
    return f"; did you mean {nearest[0]}?" if nearest else ""
