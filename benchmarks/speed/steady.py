"""How steady the processor is while something is measured: others who share it take from it at times.

Example: python -m benchmarks.speed.steady
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import time

import numpy as np

from tools.common.errors import command
from tools.config.arguments import positive

PAUSE, SLOW, AFTER = 0.01, 2.0, 0.1  # seconds between looks; times the median; seconds for a queue to be gone


@command
def main(argv=None):
    """A line a core, while all of them do nothing else."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=positive, default=15, help="default: 15")
    seconds = parser.parse_args(argv).seconds
    out: multiprocessing.Queue = multiprocessing.Queue()
    cores = [multiprocessing.Process(target=measure, args=(seconds, out)) for _ in range(os.cpu_count() or 1)]
    for core in cores:
        core.start()
    for _ in cores:
        print(json.dumps({"seconds": seconds, **out.get()}), flush=True)


class Steady:
    """Looks again and again how much processor time the same small work takes, beside other tasks of an event loop."""

    def __init__(self):
        self.values = np.random.default_rng(0).random(20_000, np.float32)
        self.looks: list[tuple[float, float]] = []  # when, processor seconds

    async def watch(self):
        """Look until cancelled."""
        while True:
            await asyncio.sleep(PAUSE)
            self.look()

    def look(self):
        """Do the work once."""
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


def measure(seconds, out):
    """Put into a queue the share of time in which a sort took above twice its usual processor time, and the worst."""
    steady, end = Steady(), time.perf_counter() + seconds
    while time.perf_counter() < end:
        steady.look()
    spent = np.array(steady.looks)[:, 1]
    slow = spent > SLOW * np.median(spent)
    out.put(
        {
            "slow": round(float(spent[slow].sum() / spent.sum()), 3),
            "worst": round(float(spent.max() / np.median(spent)), 1),
        }
    )


if __name__ == "__main__":
    main()
