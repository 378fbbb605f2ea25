"""Add items without interactions to an export.

Example: python -m tools.add_items new.jsonl -m config.yaml --output export
Example: python -m tools.add_items new.csv -m config.yaml --item sku --attributes brand genres

FILE has JSON lines {"item": "sku9", "features": {"brand": ["x"], "genres": ["Action"]}} with your own ids. A file whose
name ends in .csv is a table with a header: one column has the ids, the others are named as the model's features. If a
field has several values, give their separator after a bar: --attributes brand 'genres|,'.
The vector of a new item is computed from its features alone, so the model must have been trained with
hyper_parameters.item_features. The item is then recommended like any other, and histories may contain it.
"""

import argparse
from pathlib import Path

from models import MODELS
from tools.common import progress
from tools.common.errors import UserError, command
from tools.config.arguments import add_arguments
from tools.serving.grow import add_items
from tools.serving.new_items import TableForm
from tools.training.settings import load_settings


@command
def main(argv=None):
    """Read new items, write the export with them in its place."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="FILE", help="the new items, JSON lines or CSV")
    add_arguments(parser)
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="the export; default: <model_save_path>/export")
    parser.add_argument("--item", metavar="COLUMN", help="a CSV's column of ids; default: item")
    parser.add_argument("--attributes", nargs="+", action="extend", metavar="COLUMN", default=[],
                        help="a CSV's columns of features; 'genres|,': several, parted by ,; default: all that are "
                        "named as one")  # fmt: skip
    args = parser.parse_intermixed_args(argv)
    form = TableForm(args.item or "item", tuple(args.attributes)) if args.file.suffix.lower() == ".csv" else None
    if form is None and (args.item or args.attributes):
        raise UserError(f"--item and --attributes are of CSV, and {args.file} is read as JSON lines: leave them out")
    settings = load_settings(args.config_yaml, args.opt, MODELS)
    folder = args.output or Path(settings.runner.model_save_path) / "export"
    with progress.logging_to_terminal():
        first, items = add_items(folder, args.file, settings, form)
    last = first + len(items.names) - 1
    print(f"{len(items.names)} items added to {folder} as {first} to {last}; {items.unknown} unknown values skipped")


if __name__ == "__main__":
    main()
