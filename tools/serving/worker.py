"""The process of one export, and how it is asked: a damaged or ended one harms no other, and opening one no request.

Over a pair of sockets go messages, each a list of byte strings: their number, their lengths, their content.
"""

import asyncio
import contextlib
import gc
import json
import logging
import multiprocessing
import os
import signal
import socket
import struct
import sys
from concurrent.futures import ThreadPoolExecutor

from tools.common.errors import UserError, hear_signals

READY, REFUSED = b"ready", b"refused"
PATIENCE = 10.0  # seconds for a process to end by itself
# Forked from a process that has Paddle: tried on Linux alone.
IMPORTED = ["tools.serving.preloaded"] if sys.platform == "linux" else []
ENOUGH = 256  # rows of a product that takes all of NumPy's threads
BESIDE = 120.0  # seconds for an export to be opened in the time that others leave of the processor
ENDED = (ConnectionError, asyncio.IncompleteReadError)  # what a reader sees of a process that is gone


def pack(parts) -> bytes:
    """A message."""
    return struct.pack(f"<I{len(parts)}Q", len(parts), *map(len, parts)) + b"".join(parts)


def serve(own, folder, filters, beside=False):
    """Open an export, say so, and answer until the other side closes its socket.

    Args:
        own: a socket.
        folder, filters: see `tools.serving.service.Service`.
        beside: whether another process answers meanwhile, to which opening is to leave the processor.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks, which then closes
    _start_threads()
    try:
        # Of a thread the priority can be lowered alone, so that this one answers as ever; it could not be raised again.
        with ThreadPoolExecutor(1, initializer=_step_back if beside else None) as opening:
            service = opening.submit(_open, folder, filters).result()
    except UserError as error:
        own.sendall(pack([REFUSED, str(error).encode()]))
        return
    hear_signals()  # by now Paddle is here, and may have set its own handler
    from tools.serving.service import fault

    with own.makefile("rb") as file, contextlib.suppress(BrokenPipeError):  # who asks may leave at any time
        own.sendall(pack([READY, json.dumps(service.told).encode()]))
        while parts := _receive(file):
            kind, *bodies = parts
            replies = _answer(getattr(service, kind.decode()), bodies, fault)
            told = json.dumps([(one.status, one.unknown, one.empty, one.popular) for one in replies])
            own.sendall(pack([told.encode(), *(one.body for one in replies)]))


def _start_threads():
    """Let NumPy have its threads: they get the priority of the one that multiplies first, a fork has none yet."""
    import numpy

    square = numpy.ones([ENOUGH, ENOUGH], "float32")
    square @ square


def _step_back():
    """Run in the time only that no other thread of the machine wants; a low `nice` would still hold the others up."""
    if hasattr(os, "SCHED_IDLE"):  # Linux
        with contextlib.suppress(PermissionError):  # a container may forbid it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _open(folder, filters):
    from tools.serving.service import Service  # here, since this process alone needs Paddle

    gc.disable()  # it would look through what is being opened again and again
    try:
        return Service(folder=folder, filters=filters)
    finally:
        freeze()  # here, since it takes 0.1 s


def _begin(*arguments):
    """A process that serves, with the arguments of `serve`.

    It is forked from one that has `IMPORTED`, Paddle among it, which takes 2 s; where that cannot be, on Windows or
    without a folder for its socket, it imports for itself.
    """
    try:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED)
        return _process(context, arguments)
    except (ValueError, OSError):
        return _process(multiprocessing.get_context("spawn"), arguments)


def _process(context, arguments):
    process = context.Process(target=serve, args=arguments, daemon=True)
    process.start()
    return process


def freeze():
    """Spare what is there from garbage collection, which goes on: looking through it again would hold up requests."""
    gc.collect()
    gc.freeze()
    gc.enable()


def _answer(answer, bodies, fault):
    """The replies to a batch; where one of its requests makes it fail, that one gets the fault alone."""
    try:
        return answer(bodies)
    except Exception:  # ours, which must not end the service
        logging.exception("a batch of %d requests", len(bodies))
        if len(bodies) == 1:
            return [fault(500, "this is our fault, not yours; the service's log has more")]
        return [reply for body in bodies for reply in _answer(answer, [body], fault)]


def _receive(file) -> list[bytes]:
    """A message; empty at the end."""
    if len(head := file.read(4)) < 4:
        return []
    (number,) = struct.unpack("<I", head)
    return [file.read(one) for one in struct.unpack(f"<{number}Q", file.read(8 * number))]


class Worker:
    """A process with an export open, asked from an event loop; `Worker.start` makes one."""

    def __init__(self, process, reader, writer):
        self.process, self.reader, self.writer = process, reader, writer
        self.asking = asyncio.Lock()
        self.told: dict = {}  # what `Service.told` is

    @classmethod
    async def start(cls, folder, filters, *, beside=False) -> "Worker":
        """A new process, once it has opened and checked the export; a `UserError` where it refuses it. See `serve`."""
        if beside:
            try:
                return await asyncio.wait_for(cls._start(folder, filters, beside), BESIDE)
            except asyncio.TimeoutError:
                logging.warning(
                    "%s: the processor left too little time to open it in %d s; it has its share now", folder, BESIDE
                )
        return await cls._start(folder, filters, beside=False)

    @classmethod
    async def _start(cls, folder, filters, beside):
        ours, own = socket.socketpair()
        process = await asyncio.to_thread(_begin, own, folder, filters, beside)
        own.close()
        worker = cls(process, *await asyncio.open_connection(sock=ours))
        try:
            kind, told = await worker._read()
            if kind == REFUSED:
                raise UserError(told.decode())
        except (UserError, asyncio.CancelledError, *ENDED) as error:
            if isinstance(error, asyncio.CancelledError):
                process.kill()  # it has only read
            await worker.close()
            if isinstance(error, ENDED):
                raise UserError(f"{folder}: the process that opened it ended ({process.exitcode})") from None
            raise
        worker.told = json.loads(told)
        return worker

    async def ask(self, kind, bodies) -> list[tuple[int, bytes, int, int, int]]:
        """Of each body status, body, and what there is to count; one of `ENDED` where the process is gone.

        Args:
            kind: a method of `Service`.
            bodies: JSON.
        """
        async with self.asking:
            self.writer.write(pack([kind.encode(), *bodies]))
            await self.writer.drain()
            told, *replies = await self._read()
        return [(status, body, *counts) for (status, *counts), body in zip(json.loads(told), replies, strict=True)]

    async def _read(self) -> list[bytes]:
        (number,) = struct.unpack("<I", await self.reader.readexactly(4))
        lengths = struct.unpack(f"<{number}Q", await self.reader.readexactly(8 * number))
        return [await self.reader.readexactly(one) for one in lengths]

    async def close(self):
        """Let the process end, after what it is asked now."""
        async with self.asking:
            self.writer.close()
        await asyncio.to_thread(self.process.join, PATIENCE)
        if self.process.is_alive():
            self.process.kill()
