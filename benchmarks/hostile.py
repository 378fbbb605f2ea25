"""Harm a checkout's own checkpoints, exports and machine, and see that each command ends as it should.

Example: python -m benchmarks.hostile
Example: python -m benchmarks.hostile --only pickle closed

Prepares a small data set, trains and exports it, then runs each case of `benchmarks.hostile_cases` on a copy: the real
command, as a process. A case is survived where the process ends in time and within memory with the expected code, tells
what is expected in one line without a traceback (code 1 has one), leaves no process and executed nothing.
Prints one line a case; ends with 1 where any failed.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.hostile_cases import CASES, Case
from tools.common import checksums
from tools.common.errors import UserError, command
from tools.config.arguments import positive

ROOT = Path(__file__).parents[1]
MEMORY = 2 << 30  # bytes that a command may have in memory; it needs about 0.4 GB
CONFIG = """
runner:
  train_data_dir: data/train
  valid_data_dir: data/valid
  test_data_dir: data/test
  train_batch_size: 64
  epochs: 1
  top_n: 10
  best_metric: recall@10
hyper_parameters:
  item_count: 61
  embedding_dim: 8
  maxlen: 8
  neg_samples: 20
"""


@command
def main(argv=None):
    """Run the cases, count them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="WORD", help="cases whose names hold one of the words")
    parser.add_argument("--seconds", type=positive, default=300, metavar="N", help="of a case at most; default: 300")
    parser.add_argument("--jobs", type=positive, default=2, metavar="N", help="cases at once; default: 2")
    args = parser.parse_args(argv)
    chosen = [one for one in CASES if not args.only or any(word in one.name for word in args.only)]
    if not chosen:
        raise UserError(f"--only {' '.join(args.only)}: no such case; see benchmarks/hostile_cases.py")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(args.jobs) as pool:
        project = prepare(Path(folder) / "whole")
        failed = 0
        for case, fault in zip(chosen, pool.map(partial(tried, project, args.seconds), chosen), strict=True):
            failed += bool(fault)
            print(f"{'FAILED' if fault else 'survived'}: {case.name}{fault and ': '}{fault}", flush=True)
    print(f"{len(chosen) - failed} survived, {failed} failed")
    sys.exit(bool(failed))


def prepare(folder) -> Path:
    """A project: a data set of 115 users with 20 of 60 items each, a run of one epoch, an export, two histories."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = [" ".join([f"u{user}", *map(str, rng.permutation(60)[:20])]) for user in range(115)]
    (folder / "log.txt").write_text("\n".join(lines), encoding="utf-8")
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "histories.jsonl").write_text('{"user": 1, "history": ["5", "6"]}\n{"user": 2, "history": ["7"]}\n')
    with_config = ["-m", str(folder / "config.yaml"), "-o", f"runner.model_save_path={folder / 'out'}"]
    for words in (
        ["-m", "tools.preprocess", "sequences", str(folder / "log.txt"), "--output", str(folder / "data")],
        ["trainer.py", *with_config],
        ["-m", "tools.export", *with_config],
    ):
        subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True)
    return folder


def tried(project, seconds, case: Case) -> str:
    """What is wrong with how a case ended; nothing where it was survived."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "project"
        shutil.copytree(project, folder)
        for path in folder.rglob("*.yaml"):
            text = path.read_text(encoding="utf-8").replace(f"{project}/", f"{folder}/")
            path.write_text(text, encoding="utf-8")
        for path in folder.rglob(checksums.NAME):
            checksums.write(path.parent)
        return _fault(case, folder, Path(scratch), seconds)


def _fault(case, folder, scratch, seconds):
    case.harm(folder)
    mark, line = ROOT / "executed", case.run.format(python=sys.executable, folder=folder)
    with open(scratch / "out", "wb") as out, open(scratch / "err", "wb") as err:
        shell = subprocess.Popen(
            ["/bin/bash", "-c", line],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    code, memory = _wait(shell, seconds)
    time.sleep(0.5)
    stayed = _end_group(shell.pid)
    executed = mark.exists()
    mark.unlink(missing_ok=True)
    printed = [(scratch / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err")]
    errors = [one for one in printed[1].splitlines() if re.match(r"(\S+: )?error: ", one)]  # argparse names the command
    faults = {
        f"not ended after {seconds} s": code is None,
        f"code {code}, not {case.code}": code not in (None, case.code),
        f"{case.told!r} is not told: {''.join(printed)[-200:]!r}": case.told
        not in "".join(errors if case.code == 2 else printed),
        f"{len(errors)} lines of errors": case.code == 2 and "2>&-" not in line and len(errors) != 1,
        "a traceback": case.code != 1 and "Traceback" in printed[1],
        f"{memory >> 20} MB": memory > MEMORY,
        "a process stayed": stayed,
        "code of the harmed file was executed": executed,
    }
    return "; ".join(text for text, holds in faults.items() if holds)


def _wait(process, seconds) -> tuple[int | None, int]:
    """Exit code, None for a process that did not end, and the most memory of it or its children in bytes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status, used = os.wait4(process.pid, os.WNOHANG)
        if found:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode if process.returncode >= 0 else 128 - process.returncode, used.ru_maxrss * 1024
        time.sleep(0.05)
    return None, 0


def _end_group(group) -> bool:
    """End what is left of the processes of a group; whether anything was that still ran."""
    running = any(_runs_in(group, path) for path in Path("/proc").glob("[0-9]*/stat"))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    return running


def _runs_in(group, path):
    with contextlib.suppress(OSError):  # gone meanwhile
        state, _, found, *_ = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return int(found) == group and state != "Z"


if __name__ == "__main__":
    main()
