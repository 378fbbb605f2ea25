"""Arguments that several commands take."""

import argparse

from tools.config.schema import MOST_LISTED

MOST_GIVEN = 100_000  # items of a list that is given out


def add_arguments(parser: argparse.ArgumentParser, required=True):
    """Give a command PaddleRec's `-m config.yaml` and `-o key=value …`."""
    parser.add_argument(
        "-m", "--config_yaml", metavar="FILE", required=required, help="configuration, for example config.yaml"
    )
    parser.add_argument(
        "-o", "--opt", metavar="KEY=VALUE", nargs="*", action="extend", help="override keys of the yaml"
    )


def positive(text, low=1) -> int:
    """A command line's whole number of at least `low`, and below 2^31 as all sizes and counts are."""
    if not text.isdecimal() or int(text[:20]) < low:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {low}")
    if int(text[:20]) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is out of range; it must be from {low} to {2**31 - 1}")
    return int(text)


def list_length(text, most=MOST_LISTED) -> int:
    """A command line's length N of lists that are measured, as `runner.top_n`."""
    if (value := positive(text)) > most:
        raise argparse.ArgumentTypeError(f"{text!r} is out of range; it must be from 1 to {most}")
    return value


def given_length(text) -> int:
    """A command line's length N of lists that are given out; a user's list is in memory whole."""
    return list_length(text, MOST_GIVEN)


def item_count(text) -> int:
    """A command line's rows of an item table, padding row 0 included."""
    return positive(text, 2)
