"""All tables of docs/ and the READMEs that are made of runs, written anew from the files of the runs.

Example: python -m benchmarks.tables
"""

import argparse

from benchmarks.quality import daily, mind_study, published, render, study
from benchmarks.speed import cost, fit
from tools.common.errors import command

MADE = (render, published, mind_study, cost, fit, study, daily)  # each has `rendered`: path -> text


@command
def main(argv=None):
    """Write what differs."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(argv)
    for made in MADE:
        render.write(made.rendered())


if __name__ == "__main__":
    main()
