"""Add items without interactions to an export.

Example: python -m tools.add_items new.jsonl -m config.yaml --output export

FILE has JSON lines {"item": "sku9", "features": {"brand": ["x"], "genres": ["Action"]}}, items in the user's own ids.
A new item's vector is computed from its features alone, so the model must have been trained with
hyper_parameters.item_features. From then on the item is recommended like any other and may occur in histories.
"""

import argparse
from pathlib import Path

from models import MODELS
from tools.common import progress
from tools.common.errors import command
from tools.config.arguments import add_arguments
from tools.serving.grow import add_items
from tools.training.settings import load_settings


@command
def main(argv=None):
    """Read new items, write the export with them in its place."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="FILE", help="the new items, JSON lines")
    add_arguments(parser)
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="the export; default: <model_save_path>/export")
    args = parser.parse_intermixed_args(argv)
    settings = load_settings(args.config_yaml, args.opt, MODELS)
    folder = args.output or Path(settings.runner.model_save_path) / "export"
    with progress.logging_to_terminal():
        first, items = add_items(folder, args.file, settings)
    last = first + len(items.names) - 1
    print(f"{len(items.names)} items added to {folder} as {first} to {last}; {items.unknown} unknown values skipped")


if __name__ == "__main__":
    main()
