"""Lists for every user of a log: seconds and memory of `tools.recommend`, as one JSON line.

Example: python -m benchmarks.speed.everybody --users 1000000
Example: python -m benchmarks.speed.everybody --users 100000 --format parquet

Makes an export of random vectors around common centres with an HNSW index, and a CSV of ten events a user, of which
nothing is in the figures. Memory is the most that the command ever held, files that it maps included.
"""

import argparse
import json
import os
import tempfile
from datetime import date
from functools import partial
from pathlib import Path

import faiss
import paddle
import polars

from benchmarks.speed.http import write_export
from benchmarks.speed.preprocess import COLUMNS, watched
from benchmarks.speed.raw_log import write_raw_log
from tools.common.errors import command
from tools.config.arguments import positive

EVENTS = 10  # a user


@command
def main(argv=None):
    """Make export and log, ask for all users, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=positive, default=1_000_000, help="default: 1000000")
    parser.add_argument("--item_count", type=partial(positive, low=1000), default=50_000, help="default: 50000")
    parser.add_argument("--top_n", type=positive, default=20, help="default: 20")
    parser.add_argument("--format", choices=("csv", "jsonl", "parquet"), default="csv", help="default: csv")
    parser.add_argument("--folder", type=Path, help="where there is room, 1 KB a user; default: the system's")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        export, log, lists = (Path(folder) / name for name in ("export", "log.csv", f"lists.{args.format}"))
        write_export(export, args.item_count)
        write_raw_log(log, rows=EVENTS * args.users, users=args.users, items=args.item_count - 1, name="item-{}")
        ask = ["-m", "tools.recommend", str(export), "--users", str(log), *COLUMNS, "--output", str(lists)]
        seconds, peak = watched([*ask, "--top_n", str(args.top_n)])
        users, megabytes = count(lists), round(lists.stat().st_size / 1e6)
    row = {"users": args.users, "with_list": users, "events": EVENTS * args.users, "items": args.item_count - 1}
    row |= {"top_n": args.top_n, "format": args.format, "output_mb": megabytes}
    row |= {"seconds": round(seconds), "peak_gb": round(peak / 1e3, 2), "load": round(os.getloadavg()[0], 1)}
    row |= {"paddle": paddle.__version__, "faiss": faiss.__version__, "date": date.today().isoformat()}
    print(json.dumps(row))


def count(path) -> int:
    """Different users of a file of lists."""
    scan = {"csv": polars.scan_csv, "jsonl": polars.scan_ndjson, "parquet": polars.scan_parquet}[path.suffix[1:]]
    return scan(path).select(polars.col("user").n_unique()).collect(engine="streaming").item()


if __name__ == "__main__":
    main()
