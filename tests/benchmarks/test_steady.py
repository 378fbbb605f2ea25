"""How steady a processor is, told from looks of our own."""

import asyncio
import contextlib

import numpy as np

from benchmarks.speed import steady


def test_stretches_with_or_shortly_after_a_slow_look_are_unsteady():
    one = steady.Steady()
    one.looks = [(look / 100, 0.001 if look != 50 else 0.0021) for look in range(100)]  # one slow look, at 0.5
    start = np.array([0.1, 0.39, 0.49, 0.55, 0.59, 0.61, 0.8])
    found = one.steady(start, start + 0.05)
    assert found.tolist() == [True, True, False, False, False, True, True]


def test_without_looks_all_is_steady():
    assert steady.Steady().steady(np.array([0.0, 1.0]), np.array([1.0, 2.0])).all()


def test_it_looks_beside_other_tasks():
    one = steady.Steady()

    async def run():
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(one.watch(), 0.1)

    asyncio.run(run())
    assert one.looks
    assert all(spent > 0 for _, spent in one.looks)
