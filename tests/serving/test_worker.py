"""Opening an export beside one that answers: at a lower priority, which is not that of answering."""

import gc
import os
import signal
import socket
import sys
import threading
from types import SimpleNamespace

import pytest

from tools.serving import worker

pytestmark = pytest.mark.extras


def priority():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")
@pytest.mark.parametrize("beside", [True, False])
def test_who_opens_steps_back_where_another_answers_and_who_answers_does_not(monkeypatch, beside):
    seen = {}

    def ask(bodies):
        seen["answer"] = priority()
        return [SimpleNamespace(status=200, unknown=0, empty=0, popular=0, body=one) for one in bodies]

    def open_export(folder, filters):
        seen["open"] = priority()
        return SimpleNamespace(told={}, recommend=ask)

    monkeypatch.setattr(worker, "_open", open_export)
    ours, own = socket.socketpair()
    ours.sendall(worker.pack([b"recommend", b"{}"]))
    ours.shutdown(socket.SHUT_WR)
    before, handler = priority(), signal.getsignal(signal.SIGINT)
    try:
        worker.serve(own, "folder", None, beside)
    finally:
        signal.signal(signal.SIGINT, handler)
        gc.unfreeze()
        own.close()
    with ours, ours.makefile("rb") as replies:
        assert worker._receive(replies) == [worker.READY, b"{}"]
        assert worker._receive(replies) == [b"[[200, 0, 0, 0]]", b"{}"]
    assert seen == {"open": min(before + worker.NICE * beside, 19), "answer": before}
