"""Requests to a service over HTTP, each due at its time, and what they took."""

import asyncio
import time

import numpy as np

TOP_N = 50  # items of a list


async def ask(reader, writer, method, path, body) -> tuple[int, bytes]:
    """Status and body of a reply; the connection stays open."""
    writer.write(b"%s %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s"
                 % (method.encode(), path.encode(), len(body), body))  # fmt: skip
    head, body = await receive(reader)
    return int(head[9:12]), body


async def receive(reader) -> tuple[bytes, bytes]:
    """Head, in lower case, and body of a request or a reply."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    return head, await reader.readexactly(length)


class Load:
    """Requests over several connections.

    Args:
        port: of the service.
        bodies: of the requests.
        rate: requests a second of all connections; 0: as many as are answered.
    """

    def __init__(self, *, port, bodies, rate):
        self.port, self.bodies, self.rate = port, bodies, rate
        self.number, self.failures, self.spent = 0, 0, []

    async def run(self, connections, seconds):
        """Ask for so many seconds."""
        self.start = time.perf_counter()
        await asyncio.gather(*(self._connection(self.start + seconds) for _ in range(connections)))

    async def _connection(self, end):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while time.perf_counter() < end:
            number, self.number = self.number, self.number + 1
            due = time.perf_counter()
            if self.rate and (due := self.start + number / self.rate) > time.perf_counter():
                await asyncio.sleep(due - time.perf_counter())
            try:
                status, body = await ask(reader, writer, "POST", "/recommend", self.bodies[number % len(self.bodies)])
                self.failures += status != 200 or body.count(b'"item":') != TOP_N
            except (OSError, asyncio.IncompleteReadError):
                self.failures += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            self.spent.append((due, time.perf_counter() - due))
        writer.close()


def percentiles(spent, name="") -> dict:
    """Median and 99th percentile in milliseconds; none of nothing."""
    return {f"{name}p{one}_ms": round(1e3 * float(np.percentile(spent, one)), 2) for one in (50, 99) if len(spent)}
