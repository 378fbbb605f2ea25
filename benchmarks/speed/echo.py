"""A service that gives every request the same list at once: what the load and the machine cost without any search.

Example: python -m benchmarks.speed.echo 8000
"""

import argparse
import asyncio
import json

from benchmarks.speed.load import TOP_N, receive
from tools.common.errors import command
from tools.config.arguments import positive

BODY = json.dumps(
    {"export": "echo", "items": [{"item": f"item-{n}", "score": n / 7, "interest": 0} for n in range(TOP_N)]}
)


async def answer(reader, writer):
    """Answer the requests of a connection."""
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY.encode())
    try:
        while True:
            await receive(reader)
            writer.write(reply)
    except (asyncio.IncompleteReadError, OSError):
        writer.close()


@command
def main(argv=None):
    """Listen until ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=positive)
    asyncio.run(listen(parser.parse_args(argv).port))


async def listen(port):
    """Answer on that port of the loopback interface."""
    async with await asyncio.start_server(answer, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    main()
