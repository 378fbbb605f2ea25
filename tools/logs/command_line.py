"""The command line of `tools.preprocess` and `tools.spark`."""

import argparse
import codecs
import functools
from pathlib import Path
from typing import Any

from tools.common.errors import UserError
from tools.config.arguments import positive
from tools.data.dataset import EVALUATION_CUTS
from tools.logs.form import Form, Where
from tools.logs.presets import PRESETS
from tools.logs.protocol import PROTOCOLS, open_protocol
from tools.logs.sources import log_files

BEHAVIORS = ("pv", "cart", "fav", "buy")
PROTOCOL_OPTIONS = ("full", "test_from", "valid_from", "test_share", "valid_share", "cold")
ROLES = ("user", "item", "time", "category", "query", "rating")
TOLD = {"description": None, "formatter_class": argparse.RawDescriptionHelpFormatter}


def parse_args(argv, prog, description):
    """The command line of `prog`, a command that reads logs."""
    return _parser(prog, description).parse_args(argv)


@functools.cache  # 30 ms for some 20 sources with 20 options each, as long as a small log takes
def _parser(prog, description):
    told: dict[str, Any] = TOLD | {"description": description}
    parser = argparse.ArgumentParser(prog=prog, **told)
    shared = {"parents": [_common()], **told}
    sources = parser.add_subparsers(dest="source", required=True)
    sources.add_parser("movielens-100k", help="download MovieLens 100K and prepare it", **shared)
    sequences = sources.add_parser("sequences", help="one user a line: user item item …, oldest first", **shared)
    sequences.add_argument("file", type=Path, help="plain, .gz or .xz")
    sequences.add_argument("--attributes", type=Path, help="JSON {item: [attribute, …]}, the last one the category")
    _add_table(sources.add_parser("table", help="any log: delimited text, JSON or Parquet", **shared))
    split = sources.add_parser(
        "split", help="a log that is split already: TRAIN [VALID] TEST", parents=[_output()], **told
    )
    split.add_argument("file", type=Path, nargs="+", help="two or three files or folders, in the form of a table")
    _add_columns(split)
    _add_form(split)
    for name, preset in PRESETS.items():
        one = sources.add_parser(name, help=preset.help, **shared)
        one.add_argument("file", type=Path, help="its folder, its archive as downloaded, or the log alone")
        _add_where(one)
        one.add_argument("--min-rating", type=float, help="leave out rows with a lower rating")
        if name == "taobao":
            one.add_argument(
                "--behavior", nargs="+", action="extend", choices=BEHAVIORS, help="behaviours that count; default: pv"
            )
        if name == "amazon":
            one.add_argument("--metadata", type=Path, help="meta_….json.gz, or a folder of them: brands and categories")
    return parser


def _output():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--output", type=Path, help="folder to write; default: data/NAME")
    common.add_argument(
        "--overwrite", action="store_true", help="write even if files of the data set there would be lost"
    )
    common.add_argument("--protocol", choices=PROTOCOLS, default="comirec", help="how users and targets are split")
    common.add_argument("--full", action="store_true", default=None,
                        help="leave_one_out: train on everything but the test item; no valid split")  # fmt: skip
    moment: dict[str, Any] = {
        "metavar": "MOMENT",
        "help": "protocol time: start of the split, a number as in the log or a date",
    }
    share: dict[str, Any] = {"metavar": "SHARE", "type": float}
    common.add_argument("--test-from", **moment)
    common.add_argument("--valid-from", **moment)
    common.add_argument("--test-share", **share, help="protocol time: of all events; random: of each user's items")
    common.add_argument("--valid-share", **share, help="as --test-share; 0: no valid split")
    common.add_argument("--cold", choices=("drop", "keep"),
                        help="protocol time: leave out users and items without a past, the default, or "
                        "count them as missed")  # fmt: skip
    common.add_argument("--ties", choices=("draw", "file"), help="order of a user's events of one time: a seeded draw, "
                        "the default, or the file's")  # fmt: skip
    told = "a data set: its users and items keep their numbers, and what it trained on is never asked for"
    common.add_argument("--extend", type=Path, metavar="FOLDER", help=told)
    return common


def _common():
    common = argparse.ArgumentParser(add_help=False, parents=[_output()])
    common.add_argument("--min-count", type=positive, default=5, help="fewest interactions of an item, then of a user")
    common.add_argument(
        "--min-items", type=positive, metavar="N", help="fewest interactions of an item; see --min-count"
    )
    common.add_argument(
        "--min-users", type=positive, metavar="N", help="fewest interactions of a user; see --min-count"
    )
    return common


def add_log(parser):
    """Give a command that may be asked with a log the options that say what stands where in it, as of `table`."""
    _add_columns(parser, required=False)
    _add_form(parser)


def _add_columns(table, required=True):
    for name in ("user", "item"):
        table.add_argument(f"--{name}", required=required, metavar="COLUMN", help=f"column of the {name}")
    table.add_argument("--time", metavar="COLUMN", help="column of the time; without it the order of the file counts")
    table.add_argument("--rating", metavar="COLUMN", help="column of the rating")
    table.add_argument("--min-rating", type=float, help="leave out rows with a lower rating")
    table.add_argument("--unrated", choices=("drop", "keep"), default="drop", help="rows without rating; default: drop")


def _add_where(table):
    table.add_argument("--where", metavar="COLUMN=VALUE,…", type=_where, action="append", default=[],
                       help="the events that count; may be given several times")  # fmt: skip


def _add_form(table):
    _add_where(table)
    table.add_argument(
        "--separator", metavar="TEXT", type=_separator, help="separator of fields; default: tab, comma, ; or |"
    )
    table.add_argument(
        "--quote", metavar="CHARACTER", default='"', help="quote around texts that contain separators; '' for none"
    )
    table.add_argument("--no-header", action="store_true", help="the file has no header; its columns are 1, 2, …")
    table.add_argument("--encoding", type=_encoding, default="utf-8", help="encoding of the text; default: utf-8")
    table.add_argument(
        "--time-format", metavar="FORM", help="form of times that are neither numbers nor ISO 8601: %%d.%%m.%%Y"
    )


def _add_table(table):
    table.add_argument("file", type=Path, help="a file, plain or compressed, a zip or tar, or a folder of files")
    _add_columns(table)
    table.add_argument("--category", metavar="COLUMN", help="column of the item's category, of the log or of --items")
    table.add_argument("--query", metavar="COLUMN", help="column of the query that led to the item")
    table.add_argument("--title", metavar="COLUMN", help="column of the item's title, of the log or of --items")
    _add_form(table)
    for role in ("item", "user"):
        table.add_argument(f"--{role}s", type=Path, metavar="FILE", help=f"a second file, with a row a {role}")
        table.add_argument(f"--{role}-id", metavar="COLUMN", help=f"column of its ids; default: that of --{role}")
    values = {"nargs": "+", "action": "extend", "metavar": "COLUMN", "default": []}
    table.add_argument(
        "--attributes", **values, help="columns of --items, or of the log; 'genres|,': several, parted by ,"
    )
    table.add_argument("--user-attributes", **values, help="columns of --users")


def _where(text):
    column, equals, values = text.partition("=")
    if not column or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not COLUMN=VALUE,…, as in event=transaction,addtocart")
    return Where(column, tuple(values.split(",")))


def _separator(text):
    text = text.replace("\\t", "\t")
    if not text or "\n" in text:
        raise argparse.ArgumentTypeError(f"{text!r} cannot stand between fields")
    return text


def _encoding(text):
    try:
        name = codecs.lookup(text).name
    except LookupError:
        raise argparse.ArgumentTypeError(f"{text!r} is no encoding; as latin-1, gbk, utf-16") from None
    return "utf-8" if name in ("utf-8", "utf-8-sig") else name


def output_folder(args) -> Path:
    """Where to write; a `UserError` for a folder that contains something other than a data set."""
    name = args.source
    if name != "movielens-100k":
        file = args.file[0] if isinstance(args.file, list) else args.file
        name = file.resolve().name.split(".")[0] or name
    output = args.output or Path("data") / name
    if output.is_dir() and any(output.iterdir()) and not (output / "meta.yaml").is_file():
        raise UserError(f"{output}: contains something other than a data set; choose another --output")
    return output


def build_options(args) -> dict:
    """What `tools.logs.pipeline.build` takes."""
    least = {f"min_{role}": getattr(args, f"min_{role}") or args.min_count for role in ("items", "users")}
    shared = {"protocol": protocol_of(args), "overwrite": args.overwrite, "extend": args.extend}
    return least | shared | {"ties": args.ties or ""}


def protocol_of(args):
    """The protocol that is asked for."""
    return open_protocol(args.protocol, {name: getattr(args, name) for name in PROTOCOL_OPTIONS})


def protocol_of_others(args) -> str:
    """The protocol's name for a log that is split already, where it says which of a new user's events are the history.

    Raises:
        UserError: for a protocol that splits by itself.
    """
    protocol_of(args)
    if args.protocol not in EVALUATION_CUTS:
        known = ", ".join(EVALUATION_CUTS)
        raise UserError(f"--protocol {args.protocol}: the log is split already; choose one of {known}")
    if args.full:
        raise UserError("--full: the log is split already; remove it")
    return args.protocol


def split_options(args) -> dict:
    """What `tools.logs.ready.build_ready` takes."""
    files = [log_files(path, args.encoding) for path in args.file]
    shared = {"protocol": protocol_of_others(args), "overwrite": args.overwrite, "extend": args.extend}
    return shared | {"ties": args.ties or "draw", "files": files}


def table_form(args) -> Form:
    """What stands where in the log of `table` or `split`, attributes of its second files left out."""
    if (args.rating is None) != (args.min_rating is None):
        raise UserError("--rating and --min-rating go together: --rating stars --min-rating 4")
    if len(args.quote) > 1:
        raise UserError(f"--quote {args.quote}: one character, or '' for none")
    columns = {name: getattr(args, name) for name in ROLES if getattr(args, name, None) is not None}
    return Form(
        columns, header=not args.no_header, separator=args.separator, quote=args.quote, time_format=args.time_format,
        min_rating=args.min_rating, unrated=args.unrated, where=tuple(args.where),
    )  # fmt: skip
