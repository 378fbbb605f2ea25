"""Real processes killed at random times and at each point of writing a checkpoint; each resumed run is the whole one."""

import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_resume import assert_same, project, train, whole  # noqa: F401 (fixtures)

from tools import resume

REPO = Path(__file__).parents[1]
pytestmark = pytest.mark.extras
# Kills its own process at the n-th call of one of these while it trains: all that a checkpoint's writing is made of.
KILLER = """
import os, pathlib, shutil, signal, sys
import trainer
from tools import checkpoint, checksums, files
left = int(sys.argv.pop(1))
def mortal(owner, name):
    original = getattr(owner, name)
    def call(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)
    setattr(owner, name, call)
mortal(checkpoint.paddle, "save")
mortal(checkpoint.checksums, "write")
mortal(files, "flush")
mortal(pathlib.Path, "rename")
mortal(pathlib.Path, "write_text")
mortal(shutil, "rmtree")
trainer.main()
"""


def command(project, output, *options):  # noqa: F811
    settings = [f"runner.model_save_path={output}", "runner.resume=auto", *options]
    return ["-m", str(project / "config.yaml"), "-o", *settings]


def test_a_run_killed_at_random_times_is_the_whole_run(project, tmp_path):  # noqa: F811
    """At least 20 kills within training, most of which hits the writing of checkpoints at some point."""
    options = ["runner.epochs=60", "runner.keep_checkpoints=3", "runner.save_interval=2", "runner.early_stop=0"]
    train(project, tmp_path / "whole", *options)
    clock, kills = random.Random(0), 0
    while True:
        arguments = command(project, tmp_path / "killed", *options)
        with subprocess.Popen(
            [sys.executable, "trainer.py", *arguments], cwd=REPO, stderr=subprocess.PIPE, text=True
        ) as process:
            for line in process.stderr:
                if "no checkpoint to resume from" in line or "resumed from" in line:
                    break
            # The first lives are short, so that there are many; later ones get on.
            time.sleep(clock.uniform(0, 0.5 if kills < 20 else 5))
            process.kill()
            rest = process.stderr.read()
        assert "Traceback" not in rest
        if process.returncode == 0:
            break
        assert process.returncode == -9, rest
        kills += 1
    assert kills >= 20
    for name in ("59", "best"):
        assert_same(tmp_path / "whole", tmp_path / "killed", names=(name,))


@pytest.mark.parametrize("first", range(1, 31))
def test_a_run_killed_while_it_writes_is_the_whole_run(first, project, whole, tmp_path):  # noqa: F811
    """Killed at each call in turn of the first checkpoints: half of a new one, and half replaced ones."""
    options = ["runner.save_interval=9", "runner.epochs=3"]
    result = subprocess.run(
        [sys.executable, "-c", KILLER, str(first), *command(project, tmp_path, *options)],
        cwd=REPO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == -9, result.stderr
    train(project, tmp_path, *options, "runner.resume=auto")
    assert_same(whole(*options), tmp_path)
    assert not [path for path in tmp_path.iterdir() if re.match(r"\.", path.name)]
    assert resume.newest(tmp_path).name == "2"
