"""A lock keeps others out, says who holds it, and ends with its process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.common.errors import UserError
from tools.common.lock import Lock

REPO = Path(__file__).parents[2]
HOLDER = """
import os, sys, time
from tools.common.lock import Lock
kept = Lock(sys.argv[1], 'out')
print('held', flush=True)
{}
"""


def holder(path, then="time.sleep(60)"):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER.format(then), str(path)], cwd=REPO, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_is_told_who_holds_it_and_gets_it_when_that_is_killed(tmp_path):
    process = holder(tmp_path / ".lock")
    with process:
        with pytest.raises(UserError, match=rf"^out: is being written by process {process.pid} on \S+, since 20\S+ \("):
            Lock(tmp_path / ".lock", "out")
        process.send_signal(signal.SIGKILL)
        process.wait()
        Lock(tmp_path / ".lock", "out").close()
    assert not list(tmp_path.iterdir())


def test_a_child_does_not_keep_it(tmp_path):
    """As reader processes of a killed trainer would."""
    process = holder(tmp_path / ".lock", "child = os.fork(); child and print(child, flush=True); time.sleep(60)")
    child = 0
    with process:
        child = int(process.stdout.readline())
        assert child > 0  # os.kill(0) would end all of us
        process.kill()
        process.wait()
        try:
            Lock(tmp_path / ".lock", "out").close()
        finally:
            os.kill(child, signal.SIGKILL)


def test_it_is_let_go_at_the_end_and_leaves_nothing(tmp_path):
    with Lock(tmp_path / "new/folder/.lock", "out"):
        assert (tmp_path / "new/folder/.lock").is_file()
        with pytest.raises(UserError, match=f"process {os.getpid()} on"):
            Lock(tmp_path / "new/folder/.lock", "out")
    assert not list(tmp_path.iterdir())
    lock = Lock(tmp_path / ".lock", "out")
    del lock
    assert not list(tmp_path.iterdir())


def test_one_process_may_share_it(tmp_path):
    first, second = (Lock(tmp_path / ".lock", "out", shared=True) for _ in range(2))
    first.close()
    assert (tmp_path / ".lock").is_file()
    second.close()
    assert not (tmp_path / ".lock").exists()


def test_a_removed_lock_file_is_no_lock(tmp_path, monkeypatch):
    """Between its opening and its locking the last holder ends and removes it."""
    path, original, opened = tmp_path / ".lock", os.open, []

    def slow(name, *args):
        descriptor = original(name, *args)
        if not opened:
            os.unlink(name)
        opened.append(name)
        return descriptor

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", slow)
        lock = Lock(path, "out")
    assert len(opened) == 2
    assert path.is_file()
    lock.close()


def test_many_who_ask_at_once_hold_it_one_after_the_other(tmp_path):
    """Each adds one to a number, which two at once would lose."""
    (tmp_path / "number").write_text("0")
    script = """
import pathlib, sys, time
from tools.common.errors import UserError
from tools.common.lock import Lock
number = pathlib.Path(sys.argv[1]) / "number"
for _ in range(50):
    while True:
        try:
            with Lock(number.with_name(".lock"), "out"):
                number.write_text(str(int(number.read_text()) + 1))
            break
        except UserError:
            time.sleep(0.001)
"""
    several = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=REPO) for _ in range(4)]
    assert [one.wait(60) for one in several] == [0] * 4
    assert (tmp_path / "number").read_text() == "200"
