"""Requests that are answered together: each gets its own answer, the first come first, and none waits for too many."""

import asyncio

from tools.serving import batching
from tools.serving.batching import Batcher, BusyError


def answers(requests, ask):
    """What requests that come at once get, or the error."""

    async def run():
        batcher = Batcher(ask=ask, pause=0.0)
        task = asyncio.create_task(batcher.run())
        try:
            return await asyncio.gather(*(batcher.answer(*one) for one in requests), return_exceptions=True)
        finally:
            task.cancel()

    return asyncio.run(run())


def test_each_gets_its_own_answer_of_the_next_few(monkeypatch):
    monkeypatch.setattr(batching, "MOST_TOGETHER", 4)
    seen = []

    async def ask(kind, bodies):
        seen.append((kind, bodies))
        return [f"{kind} {body}" for body in bodies]

    requests = [("embed" if number == 1 else "recommend", number) for number in range(10)]
    assert answers(requests, ask) == [f"{kind} {number}" for kind, number in requests]
    assert seen == [
        ("recommend", [0, 2, 3]), ("embed", [1]), ("recommend", [4, 5, 6, 7]), ("recommend", [8, 9]),
    ]  # fmt: skip


def test_a_fault_is_that_of_its_batch_alone(monkeypatch):
    monkeypatch.setattr(batching, "MOST_TOGETHER", 2)

    async def ask(kind, bodies):
        if 1 in bodies:
            raise ConnectionError("gone")
        return bodies

    first, second, third = answers([("recommend", number) for number in range(3)], ask)
    assert isinstance(first, ConnectionError)
    assert isinstance(second, ConnectionError)
    assert third == 2


def test_more_than_may_wait_are_told(monkeypatch):
    monkeypatch.setattr(batching, "MOST_WAITING", 3)

    async def ask(kind, bodies):
        return bodies

    found = answers([("recommend", number) for number in range(5)], ask)
    assert found[:3] == [0, 1, 2]
    assert all(isinstance(one, BusyError) for one in found[3:])
