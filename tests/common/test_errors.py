"""A command whose standard streams are closed or full ends quietly and rightly; what the system says is one line."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from signals import hears

import infer
from tools import predict

REPO = Path(__file__).parents[2]
GOLDEN = REPO / "tests/golden/before_rooms"
PREDICT = f"{sys.executable} -m tools.predict {GOLDEN / 'export'} {GOLDEN / 'histories.jsonl'} --top_n 3"


def run(words):
    return subprocess.run(words, shell=True, cwd=REPO, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    "redirected, code, answers, told",
    [
        ("<&-", 0, 2, "2 users"),
        ("2>&-", 0, 2, ""),
        (">&-", 2, 0, "error: standard output is closed"),
        (">&- 2>&- <&-", 2, 0, ""),
        ("2>/dev/full", 2, 2, ""),
        (">/dev/full", 2, 0, "error: no space is left"),
    ],
)
@pytest.mark.slow
def test_closed_and_full_streams(redirected, code, answers, told):
    done = run(f"{PREDICT} {redirected}")
    assert (done.returncode, done.stdout.count("\n")) == (code, answers), done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_histories_from_a_closed_stream_are_none():
    done = run(PREDICT.replace(str(GOLDEN / "histories.jsonl"), "<&-"))
    assert done.returncode == 2
    assert "error: <stdin>: no histories" in done.stderr


@pytest.mark.parametrize(
    "main, words, told",
    [
        (predict.main, ["x" * 5000], "the name is too long for the system"),
        (infer.main, ["-m", "x/" * 2500], "File name too long"),
        (infer.main, ["-m", "config.yaml", "-o", f"runner.model_save_path={'x' * 300}"], "too long"),
        (infer.main, ["-m", "config.yaml", "-o", f"runner.model_save_path={'x/' * 2500}"], "at most 4,096"),
    ],
)  # fmt: skip
def test_long_names_are_told(main, words, told, capsys, monkeypatch):
    monkeypatch.chdir(REPO)
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert told in (err := capsys.readouterr().err)
    assert "Traceback" not in err


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's handlers")
def test_sigterm_ends_a_command_that_has_imported_paddle():
    """Paddle's own handler asks for memory, and waits for ever where the signal came while some was being given out."""
    script = "import time, paddle; from tools.common.errors import command\n"
    script += "command(lambda: (print('ready', flush=True), time.sleep(60)))()"
    with subprocess.Popen([sys.executable, "-c", script], cwd=REPO, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        handled = hears(process.pid, signal.SIGTERM)
        process.terminate()
    assert (handled, process.returncode) == (False, -signal.SIGTERM)
