"""What a billion users and 10^8 items need, from the unit costs that were measured here: a table for docs/scale.md.

Example: python -m benchmarks.speed.estimate --users 1000000000 --item_count 100000000

Reads speed.jsonl in benchmarks/runs/, what `benchmarks.speed.train --model all` printed, and serve.jsonl, the same of
`benchmarks.speed.serve`.
"""

import argparse
import json
from pathlib import Path

from tools.common.errors import command
from tools.common.files import read_text
from tools.config.arguments import item_count, positive

RUNS = Path(__file__).parents[1] / "runs"
D, T, K, B, NEGATIVES, POSITIONS = 64, 20, 4, 128, 1280, 20  # POSITIONS: samples a user gives an epoch
FLOAT = ID = 4  # bytes
MOMENTS = 2  # Adam's
LINKS, PQ, LIST_ID = 32, 32, 8  # of HNSW and of IVF-PQ with 8-bit copies


@command
def main(argv=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=positive, default=10**9)
    parser.add_argument("--item_count", type=item_count, default=10**8, help="items")
    args = parser.parse_args(argv)
    print(table(args.users, args.item_count))


def table(users, items) -> str:
    """Quantity, how it is calculated, and value, as markdown."""
    speed = next(row for row in rows("speed") if row["model"] == "mind")
    flat = next(row for row in rows("serve") if row["index"] == "flat")
    lines = ["| what | calculated as | value |", "| --- | --- | --- |"]
    parts = (memory(items), step(speed), epoch(users, speed), users_side(users, flat), index(items, flat))
    return "\n".join([*lines, *(f"| {' | '.join(line)} |" for part in parts for line in part)])


def memory(items):
    """Parameters."""
    vectors = items * D * FLOAT
    yield "item table", "V·D·4 bytes", size(vectors)
    yield "with Adam's two moments", "3 times that", size((1 + MOMENTS) * vectors)


def step(speed):
    """Bytes that a step moves, which do not depend on the catalogue."""
    row = D * FLOAT
    looked_up = B * (T + 1) + NEGATIVES
    moved, a_second = looked_up * row, speed["samples_per_s"] / B
    yield "rows a step looks up", "B(T + 1) + n", f"{looked_up:,}"
    yield "gathered, and as much gradient", "rows · 4D bytes", f"{size(moved)} each"
    yield "read and written by the update", "2 · 3 · rows · 4D bytes", size(2 * (1 + MOMENTS) * moved)
    yield "steps a second, 2 cores", "measured", f"{a_second:,.0f}"
    yield "network of one worker, table elsewhere", "rows and gradients · steps/s", f"{size(2 * moved * a_second)}/s"
    large = 1024 * (T + 1) + NEGATIVES
    yield (
        "the same a sample, B = 128 and 1,024",
        "2 · rows · 4D / B",
        (f"{size(2 * moved / B)} and {size(2 * large * row / 1024)}"),
    )


def epoch(users, speed):
    """Time of training."""
    seconds = users * POSITIONS / speed["samples_per_s"]
    yield "samples an epoch", f"{POSITIONS} a user", f"{users * POSITIONS:,}"
    yield "an epoch, 2 cores", "samples / measured samples a second", f"{seconds / 86400:,.1f} days"
    yield "an epoch, 100 such workers", "if they scale", f"{seconds / 360000:,.1f} hours"


def users_side(users, flat):
    """Histories and vectors of users."""
    yield "histories", "T ids of 4 bytes and an offset of 8", size(users * (T * ID + 8))
    yield "all users' interests, if kept", "K·D·4 bytes a user", size(users * K * D * FLOAT)
    hours = users / flat["tower_users_per_s"] / 3600
    yield "embedding all users, 2 cores", "users / measured users a second, 256 at once", f"{hours:,.1f} hours"


def index(items, flat):
    """Search."""
    vectors = items * D * FLOAT
    yield "flat index", "V·D·4 bytes", size(vectors)
    yield "HNSW, 32 links", "and 2·32 ids of 4 bytes an item", size(vectors + items * 2 * LINKS * ID)
    yield "IVF-PQ32 with 8-bit copies", "32 + D + 8 bytes an item", size(items * (PQ + D + LIST_ID))
    a_second = flat["search_users_per_s"] * flat["item_count"] / items
    yield "exact search, 2 cores", "measured, V larger", f"{a_second:,.1f} users/s"


def size(number) -> str:
    """Bytes in the unit that leaves one to three digits before the point."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            break
        number /= 1000
    return f"{number:,.1f} {unit}"


def rows(name) -> list[dict]:
    """What a benchmark printed."""
    return [json.loads(line) for line in read_text(RUNS / f"{name}.jsonl").splitlines()]


if __name__ == "__main__":
    main()
