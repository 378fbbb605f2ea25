"""Requests that come within a few milliseconds are answered together."""

import asyncio
from collections.abc import Awaitable, Callable

MOST_TOGETHER, MOST_WAITING = 64, 2048  # requests of a batch, and requests that wait


class BusyError(Exception):
    """More requests wait than can be answered soon."""


class Batcher:
    """Gathers requests, and hands each its own answer.

    While one batch is answered the next one gathers; only where none waits is there a pause for more.

    Args:
        ask: `(kind, bodies)` to a reply each, in their order; what it raises, each of the requests gets.
        pause: seconds in which a first request waits for others.
    """

    def __init__(self, *, ask: Callable[[str, list[bytes]], Awaitable[list]], pause):
        self.ask, self.pause = ask, pause
        self.waiting: list[tuple[str, bytes, asyncio.Future]] = []
        self.arrived = asyncio.Event()

    async def answer(self, kind, body):
        """The reply to a request; a `BusyError` where too many wait."""
        if len(self.waiting) >= MOST_WAITING:
            raise BusyError
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((kind, body, future))
        self.arrived.set()
        return await future

    async def run(self):
        """Answer batch by batch, for ever."""
        while True:
            if not self.waiting:
                self.arrived.clear()
                await self.arrived.wait()
                await asyncio.sleep(self.pause)
            batch, self.waiting = self.waiting[:MOST_TOGETHER], self.waiting[MOST_TOGETHER:]
            for kind in dict.fromkeys(kind for kind, *_ in batch):
                await self._answer(kind, [(body, future) for one, body, future in batch if one == kind])

    async def _answer(self, kind, batch):
        try:
            replies = await self.ask(kind, [body for body, _ in batch])
            answered = list(zip(batch, replies, strict=True))
        except Exception as error:
            for _, future in batch:
                if not future.done():  # who asked may have left
                    future.set_exception(error)
            return
        for (_, future), reply in answered:
            if not future.done():
                future.set_result(reply)
