"""How steady the processor is while something is measured: others who share it take from it at times."""

import asyncio
import time

import numpy as np

PAUSE, SLOW, AFTER = 0.01, 2.0, 0.1  # seconds between looks; times the median; seconds for a queue to be gone


class Steady:
    """Looks again and again how much processor time the same small work takes, beside other tasks of an event loop."""

    def __init__(self):
        self.values = np.random.default_rng(0).random(20_000, np.float32)
        self.looks: list[tuple[float, float]] = []  # when, processor seconds

    async def watch(self):
        """Look until cancelled."""
        while True:
            await asyncio.sleep(PAUSE)
            begun = time.thread_time()
            np.sort(self.values)
            self.looks.append((time.perf_counter(), time.thread_time() - begun))

    def steady(self, start, end) -> np.ndarray:
        """Whether no look from shortly before the start to the end took more than twice the usual processor time.

        Args:
            start, end: of each stretch, in seconds of `time.perf_counter`, arrays `[n]`.
        """
        when, spent = np.array(self.looks).reshape(-1, 2).T
        slow = np.append(when[spent > SLOW * np.median(spent)] if len(spent) else when, np.inf)
        return slow[np.searchsorted(slow, start - AFTER)] > end  # [n]
