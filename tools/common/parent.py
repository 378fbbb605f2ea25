"""Processes that end with the one that started them."""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # of Linux's prctl


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
