"""The HTTP side of a service: paths, limits, status codes."""

import asyncio
import contextlib
import hmac
import json
import time

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tools.common.errors import UserError
from tools.serving import openapi
from tools.serving.batching import Batcher, BusyError
from tools.serving.limits import LONGEST_LIST, MOST_BODY, TOP_N
from tools.serving.measured import Measured
from tools.serving.watched import GoneError, Watched
from tools.serving.worker import freeze

LOOK = 1.0  # seconds between two looks at the process and the folder
SLOW = 10.0  # seconds in which a body has to arrive
ABOUT = "Lists of a multi-interest model. Bodies are JSON, as lines of `tools.predict` are; bad ones get `error`."


class Web:
    """The application of one export.

    Args:
        watched: the export.
        pause: seconds in which a first request waits for others.
        replace: whether another export in the folder's place is served as soon as it is seen.
        token: who knows it may have the folder read again; None: nobody.
    """

    def __init__(self, *, watched: Watched, pause=0.002, replace=False, token=None):
        self.watched, self.replace, self.token = watched, replace, token
        self.measured = Measured()
        watched.outcome = lambda outcome: self.measured.exports.labels(outcome).inc()
        self.batcher = Batcher(ask=watched.ask, pause=pause)

    def app(self) -> FastAPI:
        """The application, for any ASGI server."""
        app = FastAPI(title="Multi-interest retrieval", description=ABOUT, lifespan=self._running)
        lists, interests = openapi.described(openapi.LISTS, openapi.FILTERS), openapi.described(openapi.INTERESTS)
        for path, method, handler, told in (
            ("/recommend", "POST", self.recommend, lists),
            ("/embed", "POST", self.embed, interests),
            ("/items/{item:path}/similar", "GET", self.similar, {"responses": openapi.SIMILAR}),
            ("/health", "GET", self.health, {}),
            ("/ready", "GET", self.ready, {}),
            ("/metrics", "GET", self.metrics, {}),
            ("/reload", "POST", self.reload, {}),
        ):
            app.add_api_route(path, handler, methods=[method], openapi_extra=told, response_class=Response)
        app.add_exception_handler(HTTPException, _told)
        return app

    @contextlib.asynccontextmanager
    async def _running(self, app):
        if not self.watched.ready:
            await self.watched.open()
        tasks = [
            asyncio.create_task(one) for one in (self.batcher.run(), self.watched.watch(LOOK, replace=self.replace))
        ]
        freeze()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await self.watched.close()

    async def recommend(self, request: Request) -> Response:
        """Lists of items for one history or several."""
        return await self._answer("recommend", request)

    async def embed(self, request: Request) -> Response:
        """The interests of one history or several, for a search of your own."""
        return await self._answer("embed", request)

    async def similar(self, item: str, request: Request) -> Response:
        """The items whose vectors have the largest cosine with this one's. `?top_n=N`, from 1 to 1000."""
        text = request.query_params.get("top_n", str(TOP_N))
        top_n = int(text[:9]) if text.isdecimal() else 0
        if wrong := _check_query(request, "top_n"):
            return _fault(400, wrong)
        if not 1 <= top_n <= LONGEST_LIST:
            return _fault(400, f"top_n: {text[:80]!r} is not a whole number from 1 to {LONGEST_LIST}")
        return await self._ask("similar", json.dumps({"item": item, "top_n": top_n}).encode())

    async def health(self) -> Response:
        """Whether the process lives."""
        return _reply(200, {"status": "ok"})

    async def ready(self) -> Response:
        """Whether an export is open, and which: the first 16 digits of the SHA-256 of its SHA256SUMS."""
        return _reply(200 if self.watched.ready else 503, self.watched.told)

    async def metrics(self) -> Response:
        """Counters for Prometheus."""
        self.measured.ready.set(self.watched.ready)
        return Response(self.measured.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def reload(self, request: Request) -> Response:
        """Serve the export that stands in the folder now. The header is `Authorization: Bearer TOKEN`."""
        if not self.token:
            return _fault(403, "no token is set; start the service with the environment variable SERVE_TOKEN")
        given = request.headers.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(given, f"Bearer {self.token}".encode()):
            return _fault(401, "wrong or no token; give the header Authorization: Bearer TOKEN")
        try:
            await self.watched.reload()
        except UserError as error:
            return _fault(409, f"not served, the one before still is: {error}")
        return _reply(200, self.watched.told)

    async def _answer(self, kind, request) -> Response:
        if wrong := _check_query(request):
            return self._count(kind, 0, 400, _error(wrong))
        try:
            body = await asyncio.wait_for(_read(request), SLOW)
        except asyncio.TimeoutError:
            return self._count(kind, 0, 408, _error(f"the body took more than {SLOW:.0f} s to arrive"))
        except ClientDisconnect:
            return self._count(kind, 0, 400, _error("the body ended early"))
        if body is None:
            return self._count(kind, 0, 413, _error(f"the body has more than {MOST_BODY:,} bytes; send less at once"))
        return await self._ask(kind, body)

    async def _ask(self, kind, body) -> Response:
        started = time.perf_counter()
        try:
            status, answer, *counts = await self.batcher.answer(kind, body)
        except (BusyError, GoneError) as error:
            busy = isinstance(error, BusyError)
            status, counts = 503, []
            answer = _error("too many requests wait; come again" if busy else "the model is being opened; come again")
        return self._count(kind, time.perf_counter() - started, status, answer, *counts)

    def _count(self, kind, seconds, status, body, *counts) -> Response:
        self.measured.count(kind, seconds, status, *counts)
        return Response(body, status, {"retry-after": "1"} if status == 503 else None, "application/json")


def _check_query(request, known=None) -> str:
    """What is wrong with what follows the URL's question mark: else it would be passed over; empty for nothing."""
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name != known:
            rule = f"is not {known}; remove it" if known else "stands in the URL; say it in the body"
            return f"{name[:80]!r} {rule}"
    return f"{known} is given {len(names)} times; give it once" if len(names) > 1 else ""


async def _read(request) -> bytes | None:
    """The body, None where it is too large."""
    parts, size = [], 0
    if request.headers.get("content-length", "0").isdecimal():
        size = int(request.headers.get("content-length", "0")[:20])
    if size > MOST_BODY:
        return None
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BODY:
            return None
        parts.append(part)
    return b"".join(parts)


def _error(message) -> bytes:
    return json.dumps({"error": message}, ensure_ascii=False).encode()


def _fault(status, message) -> Response:
    return Response(_error(message), status, media_type="application/json")


def _reply(status, value) -> Response:
    return Response(json.dumps(value, ensure_ascii=False).encode(), status, media_type="application/json")


async def _told(request, error) -> Response:
    """What Starlette itself refuses: unknown paths, other methods."""
    return Response(_error(f"{request.method} {request.url.path[:80]}: {error.detail}; see /docs"), error.status_code,
                    error.headers, "application/json")  # fmt: skip
