"""Log lines and bars: how stages are told, and that long work tells its own."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import exports
import numpy as np
import pytest
from paths import ROOT

from tools import preprocess
from tools.common import progress
from tools.retrieval import index
from tools.serving import exporter
from tools.training.settings import load_settings

posix = pytest.mark.skipif(os.name != "posix", reason="no pseudo-terminals")


def stages(caplog):
    """Names of the stages that were told, and what they counted."""
    lines = [re.fullmatch(r"(.+?): ((?:[\d,]+ \w+, )*)\d+\.\d s", one) for one in caplog.messages]
    return {line[1]: line[2] for line in lines if line}


def test_a_stage_tells_what_it_counted(caplog):
    with caplog.at_level(logging.DEBUG):
        with progress.stage("read", quick=0) as counted:
            counted |= {"rows": 12345, "users": 7}
        with progress.stage("write"):
            pass
    assert stages(caplog) == {"read": "12,345 rows, 7 users, ", "write": ""}
    assert [record.levelname for record in caplog.records] == ["INFO", "DEBUG"]  # the second one was quick


@pytest.mark.parametrize("pause, steps", [(0, [1, 2, 3]), (1000, [3])])
def test_steps_of_a_fit_are_told_after_each_pause_and_at_the_end(caplog, pause, steps):
    with caplog.at_level(logging.INFO):
        assert list(progress.watched(iter("abc"), name="network", total=3, pause=pause)) == ["a", "b", "c"]
    assert [message.rsplit(",", 1)[0] for message in caplog.messages] == [f"network: step {n} of 3" for n in steps]


def test_a_stage_that_fails_is_not_told(caplog):
    with caplog.at_level(logging.DEBUG), pytest.raises(ValueError, match="no rows"), progress.stage("read", quick=0):
        raise ValueError("no rows")
    assert not caplog.messages


def test_logging_is_afterwards_as_it_was_before(capsys):
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    with progress.logging_to_terminal():
        logging.info("told")
    assert (root.handlers, root.level) == (before, level)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:,]+ - INFO - told\n", capsys.readouterr().err)


@posix
def test_a_terminal_shows_stage_and_bar_and_a_file_shows_neither():
    work = "with progress.stage('read'):\n  list(progress.progress(range(3), name='blocks'))"
    code = f"from tools.common import progress\n{work}"
    assert shown(code, terminal=False) == ""
    lines = shown(code, terminal=True)
    assert "read …" in lines
    assert re.search(r"blocks: +0%.*0/3", lines)
    assert lines.endswith("\r")  # all of it is wiped


def shown(code, *, terminal):
    """What a program writes to standard error, which is a terminal of 80 columns or a pipe."""
    import fcntl
    import struct
    import termios

    ours, its = os.openpty() if terminal else os.pipe()
    if terminal:
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=its, check=True)
    os.set_blocking(ours, False)
    os.close(its)
    try:
        return os.read(ours, 10_000).decode()
    finally:
        os.close(ours)


def test_preprocess_always_tells_its_stages(tmp_path, caplog):
    (tmp_path / "log.txt").write_text("".join(f"u{user} a b c\n" for user in range(10)))
    preprocess.main(["sequences", str(tmp_path / "log.txt"), "--output", str(tmp_path / "data"), "--min-count", "1"])
    assert stages(caplog) == {
        "read": "30 interactions, 10 users, 3 items, ",
        "filter, number and split": "30 interactions, 10 users, 3 items, ",
        f"write {tmp_path / 'data'}": "8 train, 1 valid, 1 test, ",
    }


@pytest.mark.parametrize("kind", ["hnsw", "IVF4,PQ2x4"])
def test_an_index_tells_its_stages_and_is_the_same_in_blocks(kind, settings, tmp_path, caplog, monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(1001, 8)).astype(np.float32)
    runner = settings(index=kind, item_count=1001).runner
    whole = index.build(vectors, runner)
    monkeypatch.setattr(index, "BLOCK", 300)
    with caplog.at_level(logging.DEBUG):
        blocks = index.build(vectors, runner)
        index.save(blocks, tmp_path / "index.faiss")
    train, add, write = stages(caplog).items()
    assert train[0].startswith("train index ")
    assert add == ("add to index", "1,000 items, ")
    assert write[0] == f"write {tmp_path / 'index.faiss'}"
    assert (whole.ntotal, blocks.ntotal) == (1000, 1000)
    found = [index.recall(one, vectors[1:], vectors[1:100], 10) for one in (whole, blocks)]
    assert found[1] == pytest.approx(found[0], abs=0.02)


@pytest.mark.slow
def test_an_export_tells_its_stages(tmp_path, caplog):
    best = exports.make(tmp_path)
    with caplog.at_level(logging.DEBUG):
        caplog.clear()
        exporter.export(load_settings(best, ["runner.index=hnsw"]), tmp_path / "again")
    load, tower, train, add, write, sums = stages(caplog)
    assert load == f"load {Path(best).parent}"
    assert (tower, train, add, sums) == (
        "write the user tower",
        "train index hnsw, HNSW32",
        "add to index",
        "checksums",
    )
    assert re.fullmatch(r"write .*index\.faiss", write)
