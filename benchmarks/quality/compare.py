"""Two configurations' recall@50 and hitrate@50 on test, and the paired 95 % interval of the difference.

Example: python -m benchmarks.quality.compare amazon-beauty paper/mind paper/youtube_dnn

The seeds of a user are averaged. The interval is a bootstrap over test users; each is drawn with both values.
"""

import argparse

import numpy as np

from benchmarks.quality import results
from tools.common.errors import UserError, command
from tools.evaluation.report import bootstrap


@command
def main(argv=None):
    """Print means, difference and interval."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="a folder of benchmarks/configs")
    parser.add_argument("first", metavar="RECIPE/MODEL")
    parser.add_argument("second", metavar="RECIPE/MODEL")
    args = parser.parse_args(argv)
    rows = results.read_rows(results.file())
    print(comparison(*(recalls(args.dataset, label, rows) for label in (args.first, args.second))))


def recalls(dataset, label, rows) -> np.ndarray:
    """Recall@50 of each seed and test user, `[S, U]`; a `UserError` where no run has them."""
    found = results.runs(results.configuration(dataset, label), rows)
    packed = [row[results.USERS] for row in found.values() if results.USERS in row]
    if not packed:
        had = f"its rows, seeds {', '.join(map(str, found))}, are older than that; take them out" if found else "no run"
        recipe, model = label.split("/")
        again = f"python -m benchmarks.quality.measure --dataset {dataset} --recipe {recipe} --models {model}"
        raise UserError(f"{label}: {results.file()} has no results of single users ({had}); run: {again}")
    return np.stack([results.unpack(text) for text in packed])


def comparison(first, second) -> str:
    """A line for each metric, in percent, the difference also relative to the second.

    Args:
        first, second: recall@50, `[S, U]`; their seeds may differ, their users are the same.
    """
    lines = [f"{first.shape[1]} users, seeds: {len(first)} and {len(second)}, percent"]
    for name, one, other in (("recall@50", first, second), ("hitrate@50", first > 0, second > 0)):
        of_users = one.mean(axis=0) - other.mean(axis=0)
        low, high = 100 * bootstrap(of_users[:, None])[:, 0]
        means, change = (100 * one.mean(), 100 * other.mean()), 100 * of_users.mean()
        lines.append(
            f"{name}: {means[0]:.2f} against {means[1]:.2f}, difference {change:+.2f} [{low:+.2f}, {high:+.2f}], "
            f"relative {100 * change / means[1]:+.1f} [{100 * low / means[1]:+.1f}, {100 * high / means[1]:+.1f}]"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
