"""A log of full size to a data set, and the reader on it: seconds and memory, as one JSON line.

Example: python -m benchmarks.speed.preprocess --rows 100000000
Example: python -m benchmarks.speed.preprocess --rows 10000000 --iso

The log is made first, a CSV with a tenth as many users as rows and text ids, and is not in the figures. With --iso its
times are ISO 8601, and --where keeps nine events of ten. The processor's seconds are those of all threads. Memory is
the most that the command ever held, files that it maps included; the reader's is what opening the training split added
to the process, over the 4 bytes of each interaction. The reader's time includes the checksums of all files.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from benchmarks.speed.memory import megabytes
from benchmarks.speed.raw_log import write_raw_log
from tools.common.errors import command
from tools.config.arguments import positive
from tools.data.dataset import read_meta

ROOT = Path(__file__).parents[2]
COLUMNS = ("--user", "user", "--item", "item", "--time", "time")
OPEN = """
import json, logging, sys, time
from benchmarks.speed.memory import megabytes
from reader import RecDataset
from tools.config.load import Config
from tools.data.dataset import data_files
from tools.config.schema import HyperParameters, Runner
before, start = megabytes("VmRSS"), time.perf_counter()
dataset = RecDataset(data_files(sys.argv[1]), Config(Runner(), HyperParameters(item_count=int(sys.argv[2]))))
seconds, grown = time.perf_counter() - start, megabytes("VmRSS") - before
print(json.dumps({"open_s": round(seconds, 2), "times_items": round(grown / (4e-6 * len(dataset.items.values)), 2)}))
"""


@command
def main(argv=None):
    """Make the log, prepare it, open it, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=positive, default=10_000_000)
    parser.add_argument("--items", type=positive, default=4_000_000)
    parser.add_argument("--iso", action="store_true", help="times as ISO 8601, and --where event=view")
    parser.add_argument("--folder", type=Path, help="where there is room, 70 bytes a row; default: the system's")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        log, data = Path(folder) / "log.csv", Path(folder) / "data"
        write_raw_log(log, rows=args.rows, users=max(args.rows // 10, 1), items=args.items, iso=args.iso)
        where = ["--where", "event=view"] if args.iso else []
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds, peak = watched(["-m", "tools.preprocess", "table", str(log), *COLUMNS, *where, "--output", str(data)])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        meta = read_meta(data / "train")
        opened = subprocess.check_output(
            [sys.executable, "-c", OPEN, str(data / "train"), str(meta["item_count"])], cwd=ROOT, text=True
        )
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    row = {"rows": args.rows, "iso": args.iso, "seconds": round(seconds), "cpu_s": round(cpu, 1)}
    row |= {"peak_gb": round(peak / 1e3, 2)}
    row |= {"users": meta["users"], "items": meta["item_count"] - 1, "interactions": meta["interactions"]}
    row |= json.loads(opened.splitlines()[-1])
    row |= {"load": round(os.getloadavg()[0], 1), "date": date.today().isoformat()}
    print(json.dumps(row))


def watched(argv) -> tuple[float, float]:
    """Run Python with a command line from the repository's folder; seconds, and the most MB that it held."""
    start, peak = time.perf_counter(), 0.0
    with subprocess.Popen([sys.executable, *argv], cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(0.05)
            try:
                peak = max(peak, megabytes("VmHWM", process.pid))
            except (OSError, IndexError):  # it has just ended
                continue
    if process.returncode:
        raise RuntimeError(f"{' '.join(argv)} ended with {process.returncode}")
    return time.perf_counter() - start, peak


if __name__ == "__main__":
    main()
