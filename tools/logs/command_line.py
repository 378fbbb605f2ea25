"""The command line of `tools.preprocess` and `tools.spark`, and what both say of a log."""

import argparse
from pathlib import Path
from typing import Any

from tools.common.errors import UserError
from tools.config.arguments import positive
from tools.logs.amazon import RATED_REVIEW, REVIEW
from tools.logs.interactions import Interactions
from tools.logs.polars_blocks import Form
from tools.logs.protocol import PROTOCOLS, Prepared, dropped_text

ROLES = ("user", "item", "time", "category", "query", "rating")
BEHAVIORS = ("pv", "cart", "fav", "buy")
TAOBAO = Form(
    {"user": "user", "item": "item", "time": "timestamp", "category": "category", "behavior": "behavior"},
    names=["user", "item", "category", "behavior", "timestamp"],
)


def parse_args(argv, prog, description):
    """The command line of `prog`, a command that reads logs."""
    told: dict[str, Any] = {"description": description, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser(prog=prog, **told)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--output", type=Path, help="folder to write; default: data/NAME")
    common.add_argument(
        "--overwrite", action="store_true", help="drop what the data set there has and this one has not"
    )
    common.add_argument("--protocol", choices=PROTOCOLS, default="comirec", help="split of users and targets")
    common.add_argument("--min-count", type=positive, default=5, help="fewest interactions of an item, then of a user")
    shared = {"parents": [common], **told}
    sources = parser.add_subparsers(dest="source", required=True)
    sources.add_parser("movielens-100k", help="download MovieLens 100K and prepare it", **shared)
    sequences = sources.add_parser("sequences", help="one user a line: user item item …, oldest first", **shared)
    sequences.add_argument("file", type=Path, help="plain, .gz or .xz")
    sequences.add_argument("--attributes", type=Path, help="JSON {item: [attribute, …]}, the last one the category")
    table = sources.add_parser("table", help="a log with a header: CSV, TSV, JSON lines or Parquet", **shared)
    table.add_argument("file", type=Path, help=".csv, .tsv, .json (also .gz, .xz), .parquet, or a folder of them")
    for name in ("user", "item", "time"):
        table.add_argument(f"--{name}", required=True, metavar="COLUMN", help=f"column of the {name}")
    table.add_argument("--category", metavar="COLUMN", help="column of the item's category")
    table.add_argument("--query", metavar="COLUMN", help="column of the query that led to the item")
    table.add_argument("--rating", metavar="COLUMN", help="column of the rating")
    table.add_argument("--min-rating", type=float, help="leave out rows with a lower rating")
    amazon = sources.add_parser("amazon", help="Amazon's reviews of 2014 or 2018, JSON lines", **shared)
    amazon.add_argument("file", type=Path, help="reviews, .json.gz, or a folder of them")
    amazon.add_argument("--metadata", type=Path, help="meta_….json.gz, or a folder of them: brands and categories")
    amazon.add_argument("--min-rating", type=float, help="leave out reviews with fewer stars")
    taobao = sources.add_parser("taobao", help="Taobao's UserBehavior.csv", **shared)
    taobao.add_argument("file", type=Path, help="the file, or a folder of its parts")
    taobao.add_argument("--behavior", nargs="+", choices=BEHAVIORS, default=["pv"], help="what counts; default: pv")
    return parser.parse_args(argv)


def output_folder(args) -> Path:
    """Where to write; a `UserError` for a folder that contains something other than a data set."""
    name = args.source if args.source == "movielens-100k" else args.file.name.split(".")[0]
    output = args.output or Path("data") / name
    if output.is_dir() and any(output.iterdir()) and not (output / "meta.yaml").is_file():
        raise UserError(f"{output}: contains something other than a data set; choose another --output")
    return output


def check_users(prepared: Prepared, log: Interactions):
    """Refuse a log of which nobody is left to train on, with the reasons."""
    if not len(prepared.splits["train"]):
        reasons = "; ".join(dropped_text(rows, reason) for reason, rows in prepared.dropped.items())
        told = f"{log.source['name']}: {len(prepared.user_codes)} users left, none for training"
        raise UserError(f"{told} ({reasons}); lower --min-count")


def form_of(args) -> Form:
    """What stands where in the log of `table`, `amazon` or `taobao`."""
    if args.source == "taobao":
        return TAOBAO._replace(behaviors=tuple(args.behavior))
    if args.source == "amazon":
        return Form(REVIEW if args.min_rating is None else RATED_REVIEW, min_rating=args.min_rating)
    if (args.rating is None) != (args.min_rating is None):
        raise UserError("--rating and --min-rating go together: --rating stars --min-rating 4")
    columns = {name: getattr(args, name) for name in ROLES if getattr(args, name) is not None}
    return Form(columns, min_rating=args.min_rating)


def report(output, meta) -> str:
    """What was read, kept and dropped, in lines."""
    dropped = sum(meta["dropped"].values())
    lines = [f"{meta['source']['name']}: {meta['interactions'] + dropped} interactions read"]
    lines += [f"  {dropped_text(rows, reason)}" for reason, rows in meta["dropped"].items()]
    lines.append(f"  {meta['interactions']} kept: {meta['users']} users, {meta['item_count'] - 1} items")
    lines += [
        f"{name}: {one['users']} users, {one['interactions']} interactions" for name, one in meta["splits"].items()
    ]
    lines.append(f"written to {output}; in your config: hyper_parameters.item_count: {meta['item_count']}")
    return "\n".join(lines)
