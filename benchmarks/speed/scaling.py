"""A training step over the size of the catalogue: time and peak memory, a JSON line and a process of its own a size.

Example: python -m benchmarks.speed.scaling --item_count 10000 100000 1000000 10000000 > benchmarks/runs/scaling.jsonl

Ids are uniform over the catalogue and the settings those of `benchmarks.speed.train`. Beside a step's time stands that
of the same step with a dense table and plain Adam, where that fits into memory. Peak memory is of the whole process up
to the last sparse step, Paddle's 300 MB included; `table_mb` is the table and the two moments of it alone.
"""

import argparse
import json
import logging
import multiprocessing
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

import paddle

from benchmarks.speed import train as train_speed
from benchmarks.speed.memory import megabytes
from tools.common.errors import command
from tools.config.arguments import item_count, positive
from tools.config.schema import Runner
from tools.training import runtime

LARGEST_DENSE = 2_000_000  # items whose dense gradient and update still fit beside the table


@command
def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--item_count", type=item_count, nargs="+", default=[10**power for power in range(4, 8)])
    parser.add_argument("--model", choices=train_speed.GRADIENT_MODELS, default="mind")
    parser.add_argument("--batch", type=positive, default=128)
    parser.add_argument("--negatives", type=positive, default=1280)
    parser.add_argument("--steps", type=positive, default=200, help="steps a run; the median of 3 runs counts")
    parser.add_argument("--compiled", action="store_true", help="with runner.compiled; needs the extra speed")
    args = parser.parse_args(argv)
    for rows in args.item_count:
        # A process each, since the peak of one would hide those of the next.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            print(json.dumps(pool.submit(measure, argparse.Namespace(**vars(args) | {"item_count": rows})).result()))


def measure(args) -> dict:
    """The row of one size."""
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        settings = train_speed.write_data(Path(folder), args, args.compiled)
        runtime.prepare(use_gpu=False, seed=settings.runner.seed)
        trainer = train_speed.open_trainer(settings, args.model, "dynamic")
        seconds = []
        for _ in range(train_speed.RUNS):
            start = time.perf_counter()
            trainer.train_epoch()
            seconds.append((time.perf_counter() - start) / trainer.train_data.batches)
        step, peak = statistics.median(seconds), megabytes("VmHWM")
        dense = train_speed.dense_seconds(trainer) if args.item_count <= LARGEST_DENSE else None
    return {
        "model": args.model, "item_count": args.item_count, "batch": args.batch, "negatives": args.negatives,
        "compiled": args.compiled, "samples_per_s": round(args.batch / step), "ms_per_step": round(1e3 * step, 2),
        "dense_ms": dense and round(1e3 * dense, 1), "peak_mb": round(peak),
        "table_mb": round(3 * 4 * args.item_count * settings.hyper_parameters.embedding_dim / 1e6),
        "steps": args.steps, "seed": Runner.seed, "paddle": paddle.__version__, "date": date.today().isoformat(),
    }  # fmt: skip


if __name__ == "__main__":
    main()
