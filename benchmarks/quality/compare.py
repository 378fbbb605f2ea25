"""Two configurations' recall and hit rate on test, mostly at 50, and the paired 95 % interval of the difference.

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
    (name, first), (other, second) = (recalls(args.dataset, label, rows) for label in (args.first, args.second))
    if name != other:
        raise UserError(f"{args.first} has {name} of users, {args.second} {other}; measure both with one runner.top_n")
    print(comparison(first, second, name))


def recalls(dataset, label, rows) -> tuple[str, np.ndarray]:
    """Name of the recall, and its values of each seed and test user, `[S, U]`; a `UserError` where no run has them."""
    found = results.runs(results.configuration(dataset, label), rows)
    each = [one for row in found.values() for one in results.users_recall(row).items()]
    if not each:
        had = f"its rows, seeds {', '.join(map(str, found))}, are older than that; take them out" if found else "no run"
        recipe, model = label.split("/")
        again = f"python -m benchmarks.quality.measure --dataset {dataset} --recipe {recipe} --models {model}"
        raise UserError(f"{label}: {results.file()} has no results of single users ({had}); run: {again}")
    return each[0][0], np.stack([values for _, values in each])


def comparison(first, second, name="recall@50") -> str:
    """A line for each metric, in percent, the difference also relative to the second.

    Args:
        first, second: recall, `[S, U]`; their seeds may differ, their users are the same.
        name: of the recall.
    """
    lines = [f"{first.shape[1]} users, seeds: {len(first)} and {len(second)}, percent"]
    hit = name.replace("recall", "hitrate")
    for metric, one, other in ((name, first, second), (hit, first > 0, second > 0)):
        of_users = one.mean(axis=0) - other.mean(axis=0)
        low, high = 100 * bootstrap(of_users[:, None])[:, 0]
        means, change = (100 * one.mean(), 100 * other.mean()), 100 * of_users.mean()
        lines.append(
            f"{metric}: {means[0]:.2f} against {means[1]:.2f}, difference {change:+.2f} [{low:+.2f}, {high:+.2f}], "
            f"relative {100 * change / means[1]:+.1f} [{100 * low / means[1]:+.1f}, {100 * high / means[1]:+.1f}]"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
