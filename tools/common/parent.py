"""A process and the one that started it: ending together, and, under Paddle's launcher, with a message of its own."""

import ctypes
import os
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1  # of Linux's prctl


def launched() -> bool:
    """Whether Paddle's launcher started this process."""
    return "PADDLE_TRAINERS_NUM" in os.environ


def finish_undisturbed():
    """Pass over SIGTERM from now on, in the main thread of a process of Paddle's launcher that is about to end.

    As soon as one of its processes fails, the launcher sends three to the others, which have the same to tell and an
    exit code of their own; it kills what stays after some seconds.
    """
    if launched() and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def end_with_parent(number, parent=None):
    """Ask the system for a signal when the process that started this one ends, however it ends; on Linux alone.

    Args:
        number: of the signal.
        parent: the id of the process that started this one; where it is gone already, this one ends at once.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))
    if parent is not None and os.getppid() != parent:
        os._exit(1)
