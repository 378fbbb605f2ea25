"""How steady the processor is: where others share it, the same work takes longer at times, and so do answers."""

import time

import numpy as np

WINDOW, SLOW = 0.05, 1.5  # seconds that are looked at together; times the median, from which on they are slow


def slow_share(seconds) -> float:
    """Share of the windows in which a piece of work took more processor time than usual; 0 on a machine of one's own.

    Args:
        seconds: how long to look.
    """
    values = np.random.default_rng(0).random(80_000, np.float32)
    started, windows, spent = time.perf_counter(), [], []
    while (now := time.perf_counter() - started) < seconds:
        begun = time.thread_time()
        np.sort(values)
        windows.append(int(now / WINDOW))
        spent.append(time.thread_time() - begun)
    number, place = np.unique(windows, return_inverse=True)
    mean = np.bincount(place, spent) / np.bincount(place, minlength=len(number))
    return float((mean > SLOW * np.median(mean)).mean())
