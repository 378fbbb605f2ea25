"""Arguments that several commands take."""

import argparse


def add_arguments(parser: argparse.ArgumentParser, required=True):
    """Give a command PaddleRec's `-m config.yaml` and `-o key=value …`."""
    parser.add_argument(
        "-m", "--config_yaml", metavar="FILE", required=required, help="configuration, for example config.yaml"
    )
    parser.add_argument(
        "-o", "--opt", metavar="KEY=VALUE", nargs="*", action="extend", help="override keys of the yaml"
    )


def positive(text, low=1) -> int:
    """A command line's whole number of at least `low`."""
    if not text.isdecimal() or int(text) < low:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {low}")
    return int(text)


def item_count(text) -> int:
    """A command line's rows of an item table, padding row 0 included."""
    return positive(text, 2)
