"""A plugin of pytest's: in CI a skip that `skips.txt` does not list is a failure. It imports nothing of the project."""

import fnmatch
import os
from pathlib import Path

import pytest

SKIPPED: dict[str, None] = {}  # names of skipped tests, each once


def pytest_runtest_logreport(report):
    if report.skipped:
        SKIPPED[report.nodeid] = None


def pytest_collectreport(report):
    """A whole file may be skipped too; of this xdist's workers tell their controller nothing by themselves."""
    if report.skipped:
        SKIPPED[report.nodeid] = None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    SKIPPED.update(dict.fromkeys(getattr(node, "workeroutput", {}).get("skipped", ())))


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # a worker of xdist, whose controller comes here last
        session.config.workeroutput["skipped"] = list(SKIPPED)
        return
    lines = (Path(__file__).parent / "skips.txt").read_text(encoding="utf-8").splitlines()
    patterns = [line.split("\t")[0].replace("[", "[[]") for line in lines if line[:1] not in ("", "#")]
    unlisted = [name for name in sorted(SKIPPED) if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    if unlisted and os.environ.get("CI"):
        print("\nskipped, and not listed in tests/skips.txt:", *unlisted, sep="\n  ")
        session.exitstatus = 1
