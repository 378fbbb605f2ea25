"""Opening an export beside one that answers: in the time that others leave, unlike answering."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import exports
import pytest
from signals import hears

from tools.serving import worker

pytestmark = pytest.mark.extras
linux = pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="elsewhere a thread has no priority of its own")


def policy():
    return os.sched_getscheduler(0)


@linux
@pytest.mark.parametrize("beside", [True, False])
def test_who_opens_steps_back_where_another_answers_and_who_answers_does_not(monkeypatch, beside):
    seen = {}

    def ask(bodies):
        seen["answer"] = policy()
        return [SimpleNamespace(status=200, unknown=0, empty=0, popular=0, body=one) for one in bodies]

    def open_export(folder, filters):
        seen["open"] = policy()
        return SimpleNamespace(told={}, recommend=ask)

    monkeypatch.setattr(worker, "_open", open_export)
    ours, own = socket.socketpair()
    ours.sendall(worker.pack([b"recommend", b"{}"]))
    ours.shutdown(socket.SHUT_WR)
    handler = signal.getsignal(signal.SIGINT)
    try:
        worker.serve(own, "folder", None, beside)
    finally:
        signal.signal(signal.SIGINT, handler)
        gc.unfreeze()
        own.close()
    with ours, ours.makefile("rb") as replies:
        assert worker._receive(replies) == [worker.READY, b"{}"]
        assert worker._receive(replies) == [b"[[200, 0, 0, 0]]", b"{}"]
    assert seen == {"open": os.SCHED_IDLE if beside else os.SCHED_OTHER, "answer": os.SCHED_OTHER}


@linux
def test_what_is_imported_before_a_fork_has_no_thread_of_its_own_and_leaves_signals_to_others():
    """A name that cannot be imported would be passed over in silence, and what a thread holds is never released."""
    names = ", ".join(worker.IMPORTED)
    threads = "len(os.listdir('/proc/self/task'))"
    text = f"""
import os, signal, sys
import numpy
before = {threads}
import {names}
assert "paddle" in sys.modules and {threads} == before, ({threads}, before)
assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def policy_of(thread):
    """How the system schedules a thread; None where it has ended."""
    with contextlib.suppress(ProcessLookupError):
        return os.sched_getscheduler(thread)
    return None


@linux
def test_who_answers_has_no_thread_that_steps_back_and_is_waited_for(tmp_path):
    """Each request that needs such a thread would wait, whenever others are at work. Paddle's own helper it may be."""
    exports.make_two(tmp_path)

    async def open_and_ask():
        one = await worker.Worker.start(tmp_path / "out/export", None, beside=True)
        try:
            for kind, body in (("recommend", b'{"history": ["i1"]}'), ("similar", b'{"item": "i1", "top_n": 3}')):
                ((status, *_),) = await one.ask(kind, [body])
                assert status == 200
            assert not hears(one.process.pid, signal.SIGTERM)
            for _ in range(100):  # on a busy machine the thread that opened it takes its time to end
                threads = map(int, os.listdir(f"/proc/{one.process.pid}/task"))
                if [policy_of(thread) for thread in threads].count(os.SCHED_IDLE) <= 1:
                    return True
                await asyncio.sleep(0.1)
            return False
        finally:
            await one.close()

    assert asyncio.run(open_and_ask())


@pytest.mark.parametrize(
    "fault", [ValueError("cannot find context"), FileNotFoundError("No usable temporary directory")]
)
def test_where_none_can_be_forked_a_process_starts_by_itself(monkeypatch, fault):
    started = []

    class Process:
        def __init__(self, kind, args):
            self.kind, self.args = kind, args

        def start(self):
            if self.kind == "forkserver" and isinstance(fault, OSError):
                raise fault
            started.append((self.kind, self.args))

    def context(kind):
        if kind == "forkserver" and isinstance(fault, ValueError):
            raise fault
        return SimpleNamespace(
            set_forkserver_preload=lambda names: None, Process=lambda target, args, daemon: Process(kind, args)
        )

    monkeypatch.setattr(worker.multiprocessing, "get_context", context)
    worker._begin("own", "folder", None, True)
    assert started == [("spawn", ("own", "folder", None, True))]


def test_where_others_leave_no_time_it_is_opened_all_the_same(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(worker, "BESIDE", 0.5)
    started = []

    class Answers:
        def __init__(self, beside):
            self.beside = beside

    async def start(cls, folder, filters, beside):
        started.append(beside)
        await asyncio.sleep(10 * beside)
        return Answers(beside)

    monkeypatch.setattr(worker.Worker, "_start", classmethod(start))
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(worker.Worker.start(tmp_path, None, beside=True)).beside is False
    assert started == [True, False]
    assert "the processor left too little time" in caplog.text
