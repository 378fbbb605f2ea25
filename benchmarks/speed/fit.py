"""A `fit` over the size of the catalogue: time and peak memory, a JSON line and a process of its own a size.

Example: python -m benchmarks.speed.fit --item_count 10000 51000 100000 1000000 >> benchmarks/runs/fit.jsonl
Example: python -m benchmarks.speed.fit --model spectral_mix --item_count 10000 51000 >> benchmarks/runs/fit.jsonl

The users are made up: their activity is log-normal, 15 items on average, and each likes three groups of a hundred
items. Four of five items are of these groups, by Zipf's law, the others of the whole catalogue, by the same. Models
are at their defaults. Peak memory is of the whole process, Paddle's 300 MB included; `cpu_s`, the time of all threads,
stands beside the seconds, since a machine may be shared. `benchmarks.tables` writes the table of docs/speed.md from
benchmarks/runs/fit.jsonl, of each model and size the last line.
"""

import argparse
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import paddle

from benchmarks.quality import results
from benchmarks.quality.render import in_pages, markdown
from benchmarks.speed.memory import megabytes
from models import MODELS
from tools.common.errors import command
from tools.common.files import read_text
from tools.common.ragged import Ragged, ragged
from tools.config.arguments import item_count, positive
from tools.training import runtime

OWN_FIT = [name for name, model in MODELS.items() if hasattr(model, "fit")]
PER_ITEM = 46  # interactions: 2.35 million of 51,000 items
PER_USER, TASTES, GROUP, OWN = 15, 3, 100, 0.8
SEED, THREADS = 1, "FLAGS_paddle_num_threads"
WORDS = {"docs/speed.md": ("model", "items", "interactions", "seconds", "CPU seconds", "peak MB", "threads", "date")}


@command
def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=OWN_FIT, default="spectral")
    parser.add_argument("--item_count", type=item_count, nargs="+", default=[10_000, 51_000, 100_000])
    parser.add_argument("--per_item", type=positive, default=PER_ITEM, help="interactions for each item")
    args = parser.parse_args(argv)
    for rows in args.item_count:
        # A process each, since the peak of one would hide those of the next.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            print(json.dumps(pool.submit(measure, args.model, rows, rows * args.per_item).result()), flush=True)


def measure(model, rows, interactions) -> dict:
    """The row of one size."""
    runtime.prepare(use_gpu=False, seed=SEED)
    items = users_items(rows, interactions)
    made = MODELS[model](item_count=rows, maxlen=20, embedding_dim=64)
    start, cpu = time.perf_counter(), time.process_time()
    made.fit(items)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {
        "model": model, "item_count": rows, "interactions": len(items.values), "users": len(items.offsets) - 1,
        "fit_s": round(seconds, 1), "cpu_s": round(cpu, 1), "peak_mb": round(megabytes("VmHWM")),
        "threads": paddle.get_flags(THREADS)[THREADS], "seed": SEED,
        "paddle": paddle.__version__, "date": date.today().isoformat(),
    }  # fmt: skip


def users_items(rows, interactions, seed=0) -> Ragged:
    """Users' items one user after the other, as `fit` takes them.

    Args:
        rows: of the item table; ids are 1 to rows - 1.
        interactions: E, nearly.
        seed: of all draws.
    """
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(size=max(interactions // PER_USER, 1))
    lengths = np.maximum(2, np.round(activity * (interactions / activity.sum()))).astype(np.int64)
    user, groups = np.repeat(np.arange(len(lengths)), lengths), max((rows - 1) // GROUP, 1)

    def zipf(number, shape):  # from 0, in proportion to 1/(k + 1), nearly
        return ((number + 1) ** rng.random(shape)).astype(np.int64) - 1

    tastes = zipf(groups, (len(lengths), TASTES))
    group = tastes[user, rng.integers(0, TASTES, len(user))]
    own = 1 + group + groups * zipf((rows - 1) // groups, len(user))
    value = np.where(rng.random(len(user)) < OWN, own, 1 + zipf(rows - 1, len(user)))
    return ragged(lengths, value.clip(1, rows - 1).astype(np.int32))


def rendered() -> dict[Path, str]:
    """Page -> its text with the table `<!-- fit:models -->`."""
    lines = map(json.loads, read_text(results.ROOT / "benchmarks/runs/fit.jsonl").splitlines())
    last = {(row["model"], row["item_count"]): row for row in lines}

    def table(_, words):
        cells = [
            [
                f"`{row['model']}`", f"{row['item_count']:,}", f"{row['interactions']:,}", f"{row['fit_s']:.1f}",
                f"{row['cpu_s']:.1f}", f"{row['peak_mb']:,}", str(row["threads"]), row["date"],
            ]
            for _, row in sorted(last.items())
        ]  # fmt: skip
        return markdown([list(words), *cells])

    return in_pages("fit", WORDS, table)


if __name__ == "__main__":
    main()
