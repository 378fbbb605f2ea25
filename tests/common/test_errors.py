"""A command whose standard streams are closed or full ends quietly and rightly; what the system says is one line."""

import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
GOLDEN = REPO / "tests/golden/before_rooms"
INFER = [sys.executable, "infer.py", "-m"]
PREDICT = f"{sys.executable} -m tools.predict {GOLDEN / 'export'} {GOLDEN / 'histories.jsonl'} --top_n 3"


def run(words, shell=True):
    return subprocess.run(words, shell=shell, cwd=REPO, capture_output=True, text=True, timeout=120)


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
    "words, told",
    [
        ([sys.executable, "-m", "tools.predict", "x" * 5000], "the name is too long for the system"),
        ([*INFER, "x/" * 2500], "File name too long"),
        ([*INFER, "config.yaml", "-o", f"runner.model_save_path={'x' * 300}"], "too long"),
        ([*INFER, "config.yaml", "-o", f"runner.model_save_path={'x/' * 2500}"], "at most 4,096"),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_long_names_are_told(words, told):
    done = run(words, shell=False)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
