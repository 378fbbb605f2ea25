"""Whoever looks at what is replaced sees the old or the new one whole, also after a kill at any point."""

import contextlib
import copy
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from tools import preprocess
from tools.common import checksums, files, replacing
from tools.common.errors import UserError
from tools.logs.interactions import read_sequence_file

FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is killed")
MODES = pytest.mark.parametrize("exchanges", [True, False], ids=["exchange", "two renames"])
# All that replacing is made of, beside the writing itself.
STEPS = [
    (os, "replace"), (Path, "rename"), (Path, "chmod"), (shutil, "rmtree"), (tempfile, "mkdtemp"), (files, "flush"),
    (os, "rename"), (replacing, "exchange"), (os, "unlink"),
]  # fmt: skip


def killed_at(number, call) -> bool:
    """Run a call in a process that is killed before the n-th step; whether that came."""
    child = os.fork()
    if not child:
        left = number

        def mortal(original):
            def step(*args, **kwargs):
                nonlocal left
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*args, **kwargs)

            return step

        with contextlib.suppress(BaseException):
            for owner, name in STEPS:
                setattr(owner, name, mortal(getattr(owner, name)))
            call()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def without_exchange(monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(replacing, "exchange", lambda one, other: False)


def write(path, text):
    with replacing.writing(path), files.atomic_folder(path) as folder:
        for name in ("a", "b"):
            (folder / name).write_text(text)
        checksums.write(folder)


def content(path):
    return {one.name: one.read_text() for one in path.iterdir() if one.name != checksums.NAME}


@FORK
@MODES
@pytest.mark.slow
def test_a_folder_stands_whole_after_a_kill_at_each_step(exchanges, tmp_path, monkeypatch):
    without_exchange(monkeypatch, exchanges)
    path, number, seen = tmp_path / "data", 1, set()
    while True:
        write(path, "old")
        killed = killed_at(number, lambda: write(path, "new"))
        if exchanges:
            assert path.is_dir()  # at no moment there is none
        replacing.restore(path)
        seen.add((killed, content(path)["a"]))
        assert content(path) in ({"a": "old", "b": "old"}, {"a": "new", "b": "new"})
        assert not checksums.faults(path)
        with replacing.writing(path):  # the next writer
            pass
        assert {one.name for one in tmp_path.iterdir()} == {"data"}
        if not killed:
            break
        number += 1
    assert number > 8
    assert seen == {(True, "old"), (True, "new"), (False, "new")}


@FORK
@MODES
@pytest.mark.slow
def test_a_data_set_stands_whole_after_a_kill_at_each_step(exchanges, tmp_path, monkeypatch, capsys):
    without_exchange(monkeypatch, exchanges)
    for name, items in (("old", 8), ("new", 9)):
        lines = [" ".join([f"u{user}", *(f"i{(user + item) % items}" for item in range(8))]) for user in range(30)]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines))
    output = tmp_path / "data"
    # Read before the forks: Polars' threads are not there in a forked child, which would wait for them forever.
    logs = {name: read_sequence_file(tmp_path / f"{name}.txt", None) for name in ("old", "new")}
    monkeypatch.setattr(preprocess, "_read", lambda args, *_: copy.deepcopy(logs[args.file.stem]))

    def prepare(name):
        preprocess.main(["sequences", str(tmp_path / f"{name}.txt"), "--output", str(output)])

    prepare("old")
    number = 1
    while killed_at(number, lambda: prepare("new")):
        replacing.restore(output)
        text = (output / "meta.yaml").read_text()
        assert "item_count: 9" in text or "item_count: 10" in text
        assert (output / "test/items.npy").is_file()
        if "item_count: 10" in text:
            prepare("old")
        number += 3  # of about 40
    assert number > 12
    prepare("old")
    assert {one.name for one in tmp_path.iterdir()} == {"data", "old.txt", "new.txt"}


@FORK
def test_a_file_stands_whole_after_a_kill_at_each_step(tmp_path):
    path, number = tmp_path / "file", 1

    def replace(text):
        with replacing.writing(path), files.atomic_file(path) as file:
            file.write(text)

    replace("old")
    while killed_at(number, lambda: replace("new")):
        assert path.read_text() in ("old", "new")
        replace("old")
        assert [one.name for one in tmp_path.iterdir()] == ["file"]
        number += 1
    assert number > 3


@MODES
def test_a_reader_sees_one_or_the_other_and_never_none(exchanges, tmp_path, monkeypatch):
    without_exchange(monkeypatch, exchanges)
    path, ended = tmp_path / "data", threading.Event()
    write(path, "0")

    def replace_often():
        with contextlib.ExitStack() as stack:
            stack.callback(ended.set)
            for number in range(40):
                write(path, str(number))

    writer, seen = threading.Thread(target=replace_often), set()
    writer.start()
    while not ended.is_set():
        if exchanges:
            assert path.is_dir()
        found = replacing.read_whole(path, lambda: content(path))
        assert found["a"] == found["b"]
        seen.add(found["a"])
    writer.join()
    assert len(seen) > 3


def test_one_that_is_replaced_while_it_is_read_is_read_again(tmp_path):
    path, texts = tmp_path / "data", []
    write(path, "old")

    def read():
        first = (path / "a").read_text()
        if not texts:
            write(path, "new")
        texts.append((first, (path / "b").read_text()))
        return texts[-1]

    assert replacing.read_whole(path, read) == ("new", "new")
    assert texts == [("old", "new"), ("new", "new")]


def test_a_fault_of_what_is_not_replaced_is_told_at_once(tmp_path):
    write(tmp_path / "data", "old")
    with pytest.raises(ZeroDivisionError):
        replacing.read_whole(tmp_path / "data", lambda: 1 / 0)


def test_leftovers_go_and_what_is_somebody_s_stays(tmp_path):
    write(tmp_path / "data", "old")
    for name in (".data.tmp-abcd0123", ".data.old-abcd0123"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").touch()
    (tmp_path / ".data.tmp-00001234").touch()  # a file's
    theirs = {".data-abcdefgh", ".data.tmp-mine", ".other.tmp-abcd0123", "data.tmp-abcd0123", ".data.tmp"}
    for name in theirs:
        (tmp_path / name).touch()
    with replacing.writing(tmp_path / "data"):
        pass
    assert {one.name for one in tmp_path.iterdir()} == {"data", *theirs}
    assert content(tmp_path / "data")["a"] == "old"


def test_what_was_renamed_away_comes_back_for_a_reader(tmp_path):
    write(tmp_path / "data", "old")
    (tmp_path / ".data.old-aaaaaaaa").mkdir()  # was to get the old content and did not
    (tmp_path / "data").rename(tmp_path / ".data.old-abcdefgh")
    replacing.restore(tmp_path / "data")
    assert content(tmp_path / "data") == {"a": "old", "b": "old"}


def test_links_are_followed_and_stay(tmp_path):
    (tmp_path / "disk").mkdir()
    write(tmp_path / "disk/data", "old")
    (tmp_path / "disk/table.csv").write_text("old")
    for name in ("data", "table.csv", "later"):
        (tmp_path / name).symlink_to(tmp_path / "disk" / name)
    write(tmp_path / "data", "new")
    for name in ("table.csv", "later"):
        with replacing.writing(tmp_path / name), files.atomic_file(tmp_path / name) as file:
            file.write("new")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "disk" / name).read_text() == "new"
    assert (tmp_path / "data").is_symlink()
    assert content(tmp_path / "disk/data")["a"] == "new"
    assert {one.name for one in (tmp_path / "disk").iterdir()} == {"data", "table.csv", "later"}


def test_a_device_is_written_into_and_stays():
    with replacing.writing("/dev/null"), files.atomic_file("/dev/null") as file:
        file.write("rows")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert not Path("/dev/.null.lock").exists()
    script = "from tools.common.files import atomic_file\nwith atomic_file('/dev/stderr') as file: file.write('rows')"
    told = subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, check=False)
    assert "/dev/stderr: is no regular file; choose another name" in told.stderr


def test_what_cannot_be_replaced_is_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    for name, message in (("pipe", "is no regular file"), ("", "a folder stands where a file is to be written")):
        with pytest.raises(UserError, match=message), files.atomic_file(tmp_path / name):
            pass
    (tmp_path / "mounted").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "mounted")
    with pytest.raises(UserError, match=r"mounted: is a mount point, which cannot be replaced .*; choose one below it"):
        write(tmp_path / "mounted", "new")
    write(tmp_path / "mounted/data", "new")
