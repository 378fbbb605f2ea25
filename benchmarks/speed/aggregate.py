"""What follows the search: choosing lists and measuring them, in seconds, as one JSON line.

Example: python -m benchmarks.speed.aggregate --users 10000

Candidates are random: K interests with N each, that share a part of them. `choose_s` is from there to the lists, of the
plain list, of one lambda and of five; `update_s` and `result_s` are a report's (`tools.evaluation.report`), the second
with its 1,000 resamples of the users. All but `result_s` is done batch by batch.
"""

import argparse
import json
import statistics
import time
from datetime import date

import numpy as np

from tools.common.errors import command
from tools.common.ragged import ragged
from tools.config.arguments import item_count, positive
from tools.evaluation.report import Report
from tools.retrieval.aggregate import Diversity, aggregate

BATCH, CATEGORIES = 512, 100
LAMBDAS = {"plain": (0.0,), "one": (0.1,), "five": (0.0, 0.05, 0.1, 0.2, 1.0)}
RUNS = 3


@command
def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=positive, default=10_000)
    parser.add_argument("--interest_num", type=positive, default=4, help="K")
    parser.add_argument("--top_n", type=positive, default=50, help="N")
    parser.add_argument("--item_count", type=item_count, default=368_000)
    args = parser.parse_args(argv)
    rng = np.random.default_rng(0)
    category = rng.integers(-1, CATEGORIES, args.item_count)
    batches = [make_batch(rng, min(BATCH, args.users - start), args) for start in range(0, args.users, BATCH)]
    choose = {name: median_seconds(choose_all, batches, args, lambdas, category) for name, lambdas in LAMBDAS.items()}
    update, result = measure_report(batches, args, category)
    row = {
        "users": args.users, "interest_num": args.interest_num, "top_n": args.top_n, "choose_s": choose,
        "update_s": update, "result_s": result, "date": date.today().isoformat(),
    }  # fmt: skip
    print(json.dumps(row))


def make_batch(rng, users, args):
    """Candidates `[U, K, N]`, their scores, interests, and targets: 5 to 20 a user."""
    items = rng.integers(1, min(3000, args.item_count), (users, args.interest_num, args.top_n))
    scores = -np.sort(-rng.normal(size=items.shape), axis=2).astype("float32")
    lengths = rng.integers(5, 20, users)
    targets = ragged(lengths, rng.integers(1, args.item_count, lengths.sum()))
    return items, scores, rng.normal(size=(users, args.interest_num, 64)).astype("float32"), targets


def choose_all(batches, args, lambdas, category):
    """Lists of all batches, for each lambda."""
    for items, scores, *_ in batches:
        aggregate(items, scores, args.top_n, Diversity(lambdas, category))


def measure_report(batches, args, category):
    """Seconds that a report takes for all batches, and for its result."""
    decile = np.arange(args.item_count) * 10 // args.item_count
    report = Report(
        top_n=[min(20, args.top_n), args.top_n], category=category, decile=decile, item_count=args.item_count
    )
    live, spent = np.ones((BATCH, args.interest_num), bool), 0.0
    for items, scores, interests, targets in batches:
        (lists,) = aggregate(items, scores, args.top_n, Diversity((0.0,), None))
        start = time.perf_counter()
        report.update(lists.items, targets, targets.lengths, interests, live[: len(items)])
        spent += time.perf_counter() - start
    return round(spent, 3), median_seconds(report.result)


def median_seconds(call, *args) -> float:
    """How long a call takes, the median of a few."""
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        call(*args)
        seconds.append(time.perf_counter() - start)
    return round(statistics.median(seconds), 3)


if __name__ == "__main__":
    main()
