"""Reader speed alone, samples a second, beside a copy of the same bytes, as one JSON line.

Example: python -m benchmarks.speed.reader --interactions 10000000 --batch 128
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import yaml

from reader import RecDataset
from tools.common.errors import command
from tools.common.ragged import ragged
from tools.config.arguments import positive
from tools.config.load import Config
from tools.config.schema import HyperParameters, Runner
from tools.data.dataset import data_files, write_split


@command
def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interactions", type=positive, default=10_000_000)
    parser.add_argument("--batch", type=positive, default=128)
    parser.add_argument("--sampling", choices=["user", "position"], default="user")
    args = parser.parse_args(argv)
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        dataset = open_data(Path(folder), args)
        runs = [samples_per_second(dataset, epoch) for epoch in range(5)]
    batch = dataset.batch(0)
    start = time.perf_counter()
    for _ in range(2000):
        for array in batch:
            array.copy()
    copied = 2000 * args.batch / (time.perf_counter() - start)
    speed = statistics.median(runs)
    row = {"interactions": args.interactions, "batch": args.batch, "sampling": args.sampling}
    row |= {"samples_per_s": round(speed), "times_copy": round(copied / speed, 1), "date": date.today().isoformat()}
    print(json.dumps(row))


def open_data(folder, args) -> RecDataset:
    """Users with log-normal lengths, median 30, items uniform over a million."""
    rng = np.random.default_rng(0)
    lengths = np.maximum(rng.lognormal(np.log(30), 1.0, args.interactions // 49).astype(np.int64), 5)
    items = ragged(lengths, rng.integers(1, 1_000_000, lengths.sum()))
    entry = write_split(folder / "train", np.arange(len(lengths)), items, np.zeros(lengths.sum()))
    (folder / "meta.yaml").write_text(yaml.safe_dump({"splits": {"train": entry}}))
    hyper = HyperParameters(item_count=1_000_000, train_sampling=args.sampling)
    return RecDataset(data_files(folder / "train"), Config(Runner(train_batch_size=args.batch), hyper))


def samples_per_second(dataset, epoch, batches=3000):
    """Of the first batches of an epoch."""
    dataset.set_epoch(epoch)
    start = time.perf_counter()
    for step in range(batches):
        dataset.batch(step)
    return batches * dataset.batch_size / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
