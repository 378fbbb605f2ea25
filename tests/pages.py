"""The code of a page of docs/, and a copy of the repository to run it in."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from paths import ROOT

PARTS = ("models", "tools", "tests", "docs", "reader.py", "trainer.py", "infer.py", "config.yaml", "pyproject.toml")
FENCE = re.compile(r'^```(\w+)(?: title="([^"\n]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of code."""

    language: str
    title: str  # the file that it is; empty for none
    text: str


def blocks(page) -> list[Block]:
    """All blocks of a page, in order."""
    return [Block(*found) for found in FENCE.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))]


def copy_repository(folder) -> Path:
    """What a page's commands need, in a folder of its own."""
    for name in PARTS:
        part = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(part, folder / name, ignore=ignored) if part.is_dir() else shutil.copy(part, folder / name)
    return folder


def run_page(page, folder):
    """Do what a page says in a copy of the repository: files are written or changed, commands run, output compared."""
    for block in blocks(page):
        if block.language == "diff":
            change(folder / block.title, block.text)
        elif block.title:
            (folder / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            shell(f"python - <<'END'\n{block.text}END", folder)
        elif block.language == "bash":
            shell(block.text, folder)
        elif block.language == "console":
            for command, told in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE):
                output = shell(command, folder, fails=told.startswith("error: "))
                assert output.replace(f"{folder}/", "") == told, command


def change(path, diff):
    """Add the lines of a diff that begin with +, each after the line above it."""
    lines, place = path.read_text(encoding="utf-8").split("\n"), 0
    for line in diff.splitlines():
        if line[0] == "+":
            lines.insert(place, line[1:])
        else:
            place = lines.index(line[1:])
        place += 1
    path.write_text("\n".join(lines), encoding="utf-8")


def shell(script, folder, fails=False) -> str:
    """What a script prints, or the error that it ends with; log lines are neither.

    An AssertionError where the exit code is not 0, or not 2 where it `fails`, for the user to correct.
    """
    # An alias and not a function, which in the background would be a shell of its own: what ends that leaves Python.
    script = "set -euo pipefail\nshopt -s expand_aliases\nalias python='\"$PYTHON\"'\n" + script
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONWARNINGS": "ignore", "LC_ALL": "C.UTF-8"}
    argv = ["bash", "-c", script]
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == (2 if fails else 0), f"{script}\n{done.stdout}{done.stderr}"
    return done.stderr[done.stderr.find("error: ") :] if fails else done.stdout
