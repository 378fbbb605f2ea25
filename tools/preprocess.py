"""Make a data set from a raw log.

Example: python -m tools.preprocess movielens-100k
Example: python -m tools.preprocess sequences sequences.txt.xz --attributes item_attributes.json.xz
Example: python -m tools.preprocess table clicks.csv --user uid --item sku --time ts --output data/clicks
Example: python -m tools.preprocess amazon reviews_Books.json.gz --metadata meta_Books.json.gz
Example: python -m tools.preprocess taobao UserBehavior.csv --behavior pv buy
"""

import argparse
import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tools.common import progress
from tools.common.errors import UserError, command
from tools.common.files import atomic_folder, scratch_folder
from tools.common.ragged import Ragged
from tools.config.load import positive
from tools.data.dataset import is_whole, write_map, write_stretches
from tools.data.features import QUERIES
from tools.logs.amazon import RATED_REVIEW, REVIEW, add_metadata
from tools.logs.interactions import Interactions, read_movielens, read_sequence_file
from tools.logs.large import read_log, wants_engine
from tools.logs.polars_blocks import Form
from tools.logs.protocol import CUTS, SPLIT_SEED, Prepared, dropped_text, events, prepare, up_to_target
from tools.logs.tables import read_table

ROLES = ("user", "item", "time", "category", "query", "rating")
BEHAVIORS = ("pv", "cart", "fav", "buy")
TAOBAO = Form(
    {"user": "user", "item": "item", "time": "timestamp", "category": "category", "behavior": "behavior"},
    names=["user", "item", "category", "behavior", "timestamp"],
)


def parse_args(argv=None, prog="python -m tools.preprocess", description=__doc__):
    """The command line, of this module or of another that reads the same logs."""
    told: dict[str, Any] = {"description": description, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser(prog=prog, **told)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--output", type=Path, help="folder to write; default: data/NAME")
    common.add_argument("--protocol", choices=CUTS, default="comirec", help="split of users and targets")
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


@command
def main(argv=None):
    """Read, prepare, write, report."""
    args = parse_args(argv)
    output = output_folder(args)
    with progress.logging_to_terminal(), contextlib.ExitStack() as stack:
        prepared, log = _prepare(args, output, lambda: stack.enter_context(scratch_folder(output)))
        with progress.stage(f"write {output}", quick=0) as counted, atomic_folder(output) as folder:
            meta = write_dataset(folder, prepared, log, args.protocol)
            counted |= {name: one["users"] for name, one in meta["splits"].items()}
    print(report(output, meta))


def output_folder(args) -> Path:
    """Where to write; a `UserError` for a folder that contains something other than a data set."""
    name = args.source if args.source == "movielens-100k" else args.file.name.split(".")[0]
    output = args.output or Path("data") / name
    if output.is_dir() and any(output.iterdir()) and not (output / "meta.yaml").is_file():
        raise UserError(f"{output}: contains something other than a data set; choose another --output")
    return output


def _prepare(args, output, scratch):
    with progress.stage("read", quick=0) as counted:
        log = _read(args, output, scratch)
        counted |= {"interactions": len(log.item), "users": len(log.user_names), "items": len(log.item_names)}
    with progress.stage("filter, number and split", quick=0) as counted:
        prepared = prepare(log, protocol=args.protocol, min_count=args.min_count)
        users, items = len(prepared.user_codes), len(prepared.item_codes)
        counted |= {"interactions": int(prepared.lengths.sum()), "users": users, "items": items}
    check_users(prepared, log)
    return prepared, log


def check_users(prepared: Prepared, log: Interactions):
    """Refuse a log of which nobody is left to train on, with the reasons."""
    if not len(prepared.splits["train"]):
        reasons = "; ".join(dropped_text(rows, reason) for reason, rows in prepared.dropped.items())
        told = f"{log.source['name']}: {len(prepared.user_codes)} users left, none for training"
        raise UserError(f"{told} ({reasons}); lower --min-count")


def _read(args, output, scratch):
    if args.source == "movielens-100k":
        return read_movielens(output.parent / "download")
    if args.source == "sequences":
        return read_sequence_file(args.file, args.attributes)
    form = form_of(args)
    if args.source == "table" and not wants_engine(args.file):
        return read_table(args.file, **form.columns, min_rating=args.min_rating)
    log = read_log(args.file, form, scratch())
    if args.source == "amazon" and args.metadata is not None:
        add_metadata(log, args.metadata)
    return log


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


def write_dataset(folder: Path, prepared: Prepared, log: Interactions, protocol: str, events=events) -> dict:
    """Write splits, maps, attributes and `meta.yaml` into an empty folder; gives the content of `meta.yaml`.

    `events` is `tools.logs.protocol.events`, or what another engine has in its place.
    """
    splits = _write_splits(folder, prepared, log, protocol, events)
    item_names, user_names = log.item_names[prepared.item_codes], log.user_names[prepared.user_codes]
    write_map(folder / "item_map.csv", ("item", "original"), enumerate(item_names, 1))
    write_map(folder / "user_map.csv", ("user", "original"), enumerate(user_names))
    _write_attributes(folder / "item_attributes.npz", log.item_attributes, prepared.item_codes)
    _write_attributes(folder / "user_attributes.npz", log.user_attributes, prepared.user_codes)
    if log.item_category is not None:
        _write_categories(folder, log.item_category[prepared.item_codes])
    written = sum(one["interactions"] for one in splits.values())
    dropped = prepared.dropped
    if protocol == "mind":
        dropped = dropped | {"after the target of a user of valid or test": int(prepared.lengths.sum()) - written}
    meta = {
        "source": log.source,
        "protocol": protocol,
        "split_seed": SPLIT_SEED,
        "users": len(user_names),
        "item_count": len(item_names) + 1,
        "interactions": written,
        "dropped": dropped,
        "splits": splits,
    }
    (folder / "meta.yaml").write_text(yaml.safe_dump(meta, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return meta


def _write_splits(folder, prepared, log, protocol, events):
    whole, splits = is_whole(log.time), {}
    asked: list[np.ndarray] = []  # numbers of the queries of all events written
    for name, users in prepared.splits.items():
        lengths = prepared.lengths[users]
        if protocol == "mind" and name != "train":
            lengths = up_to_target(lengths)
        pieces = _first_events(events(log, prepared, users), lengths, log.query, asked)
        splits[name] = write_stretches(folder / name, users, lengths, pieces, whole=whole)
    if log.query_words is not None:
        codes, rows = np.unique(np.concatenate(asked), return_inverse=True)
        bounds = np.cumsum([one["interactions"] for one in splits.values()])
        for name, numbers in zip(splits, np.split(rows, bounds[:-1]), strict=True):
            _write_attributes(folder / name / QUERIES, {"query": log.query_words}, codes, numbers)
    return splits


def _first_events(stretches, lengths, query, asked):
    """`(items, times)` of each user's first `lengths` `[U]` events; the list `asked` gets their queries' numbers."""
    user = 0
    for items, times, rows in stretches:
        some = lengths[user : user + len(items.lengths)]
        user += len(some)
        kept = Ragged(np.arange(len(times)), items.offsets).spans(items.offsets[:-1], some)
        if query is not None:
            asked.append(query[rows[kept.values]])
        yield Ragged(items.values[kept.values], kept.offsets), times[kept.values]


def _write_attributes(path, attributes, codes, rows=None):
    """Each attribute as `NAME.values` (numbers into `NAME.names`) and `NAME.offsets`, a row an item or user.

    Args:
        path: the .npz file.
        attributes: name -> texts of each code.
        codes: of what the data set holds; their texts are the names.
        rows: which of the codes to write, by their place; None: all.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, texts in attributes.items():
        known = texts.take(codes)
        names, values = np.unique(known.values, return_inverse=True)
        known = Ragged(values.astype(np.int32), known.offsets)
        some = known if rows is None else known.take(rows)
        arrays |= {
            f"{name}.names": np.array(names.tolist(), str),
            f"{name}.values": some.values,
            f"{name}.offsets": some.offsets,
        }
    if arrays:
        np.savez(path, **arrays)  # type: ignore[arg-type]


def _write_categories(folder, texts):
    """`item_category.npy`: category of each row of the item table, -1 for none; `category_map.csv`: their names."""
    names = np.unique(texts[texts != ""])
    category = np.where(texts == "", -1, np.searchsorted(names, texts))
    np.save(folder / "item_category.npy", np.concatenate([[-1], category]).astype(np.int32))
    write_map(folder / "category_map.csv", ("category", "name"), enumerate(names))


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


if __name__ == "__main__":
    main()
