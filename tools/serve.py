"""Answer over HTTP with an exported model; needs the extra serve.

Example: python -m tools.serve output/export --port 8000
Example: python -m tools.serve output/export --watch --exclude sold_out.txt

POST /recommend takes JSON objects as `tools.predict` takes lines: {"history": ["50", "258"], "top_n": 10}, or an array
of them. POST /embed gives interests, and GET /items/50/similar the nearest items. There are also /health, /ready,
/metrics (Prometheus) and /docs. A history without a known item gets the most popular items, marked "popular": true.
With --watch an export that replaces the folder is opened, checked, and then takes over from the old one. POST /reload
does this at once; the request must have the token of the environment variable SERVE_TOKEN.
"""

import argparse
import asyncio
import logging
import os
import socket
from functools import partial
from pathlib import Path

from tools.common import progress
from tools.common.errors import UserError, command
from tools.config.arguments import positive
from tools.serving.limits import MOST_OPEN
from tools.serving.watched import Watched


@command
def main(argv=None):
    """Open the export, serve it until Ctrl-C."""
    # Not above: a process that opens an export imports this module, too, before it can step back.
    from tools.retrieval.selection import add_filter_arguments, read_filters

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="EXPORT", help="what tools.export wrote")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets others in; default: 127.0.0.1")
    parser.add_argument("--port", type=positive, default=8000, help="default: 8000")
    parser.add_argument("--watch", action="store_true", help="serve a new export as soon as it replaces the folder")
    parser.add_argument(
        "--pause", type=float, default=2.0, metavar="MS", help="how long requests wait to share a batch; default: 2 ms"
    )
    add_filter_arguments(parser)
    args = parser.parse_intermixed_args(argv)
    if not 0 <= args.pause <= 1000:
        raise UserError(f"--pause {args.pause}: out of range; it must be from 0 to 1000 milliseconds")
    uvicorn, web, run = open_web()
    watched = Watched(folder=args.folder, filters=partial(read_filters, args))
    application = web.Web(
        watched=watched, pause=args.pause / 1000, replace=args.watch, token=os.environ.get("SERVE_TOKEN")
    )
    with progress.logging_to_terminal(), listen(args.host, args.port) as listening:
        config = uvicorn.Config(
            application.app(), access_log=False, log_config=None, proxy_headers=False, limit_concurrency=MOST_OPEN,
            timeout_keep_alive=30,
        )  # fmt: skip
        run(serve(watched, uvicorn.Server(config), listening))


def open_web():
    """uvicorn, `tools.serving.web` and what runs a coroutine; a `UserError` without the extra."""
    try:
        import uvicorn

        from tools.serving import web
    except ImportError:
        raise UserError("the service needs an extra; install it with: pip install '.[serve]'") from None
    try:
        import uvloop as loop  # type: ignore
    except ImportError:  # there is none for Windows
        loop = asyncio  # type: ignore
    return uvicorn, web, loop.run


def listen(host, port) -> socket.socket:
    """A socket that listens; a `UserError` where none can."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise UserError(f"--port: nothing can listen at {host}:{port} ({error}); choose another one") from None


async def serve(watched, server, listening):
    """Open the export, then serve until a signal."""
    try:
        await watched.open()
        logging.info("serving at http://%s:%d; Ctrl-C ends it", *listening.getsockname()[:2])
        await server.serve(sockets=[listening])
    finally:
        await watched.close()


if __name__ == "__main__":
    main()
