"""Draw curves of training runs from their history.csv, as SVG or PNG; needs the extra plot.

Example: python -m tools.plot output/movielens-100k --output curves.svg
Example: python -m tools.plot output/spread-0 output/spread-1 --metrics recall@50 interest_similarity --output both.png

Each FOLDER has the checkpoints of a run. The command draws the loss and metrics on valid. Without --metrics it takes
those of the longest lists.
"""

import argparse
from pathlib import Path

from tools.common.errors import UserError, command, did_you_mean
from tools.views.curves import curves, draw, longest
from tools.views.figures import open_pyplot, save


@command
def main(argv=None):
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument(
        "--metrics", nargs="+", action="extend", metavar="NAME", help="metrics on valid, for example recall@50"
    )
    parser.add_argument("--output", type=Path, default=Path("curves.svg"), metavar="FILE", help="*.svg or *.png")
    args = parser.parse_intermixed_args(argv)
    if args.output.suffix not in (".svg", ".png"):
        raise UserError(f"--output: {args.output} ends neither in .svg nor in .png; name it so")
    runs = {str(folder): curves(folder) for folder in args.folders}
    names = [f"valid/{name}" for name in args.metrics or []] or longest(runs)
    known = sorted({tag for run in runs.values() for tag in run if tag.startswith("valid/")})
    for name in names:
        if name not in known:
            shown = [tag.partition("/")[2] for tag in known]
            name = name.partition("/")[2]
            raise UserError(f"--metrics: {name!r} is not one of {', '.join(shown)}{did_you_mean(name, shown)}")
    save(draw(open_pyplot(), runs, ["train/loss", *names]), args.output)
    print(f"written to {args.output}")


if __name__ == "__main__":
    main()
