"""A service that gives every request the same list at once: what the load and the machine cost without any search.

Example: python -m benchmarks.speed.echo 8000
"""

import asyncio
import json
import sys

from benchmarks.speed.load import TOP_N

BODY = json.dumps(
    {"export": "echo", "items": [{"item": f"item-{n}", "score": n / 7, "interest": 0} for n in range(TOP_N)]}
)


async def answer(reader, writer):
    """Answer the requests of a connection."""
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY.encode())
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
            writer.write(reply)
    except (asyncio.IncompleteReadError, OSError):
        writer.close()


async def main(port):
    """Listen until ended."""
    async with await asyncio.start_server(answer, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
