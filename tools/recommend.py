"""Write lists for every user, from the whole history, with an exported model.

Example: python -m tools.recommend output/export --users data/movielens-100k --output lists.csv --top_n 20
Example: python -m tools.recommend output/export --users clicks.csv --user uid --item sku --time ts --output all.jsonl
Example: python -m tools.recommend output/export --users data/movielens-100k --interests users.npy --items items.npy

USERS is a data set of tools.preprocess (users of all splits), one of its splits, or a raw log with the columns --user,
--item and --time. The ending of a name chooses the form: --output takes .csv or .parquet (a row for each item) or
.jsonl (a line for each user); --interests and --items take .npy (with the ids in a CSV beside it) or .parquet.
Users are answered some thousands at a time. Finished parts are kept in FILE.parts, so that an interrupted run continues
where it stopped. Users without an item that the model knows get no list; the command prints how many there are.
"""

import argparse
import contextlib
import logging
from pathlib import Path

from tools.common import progress, replacing
from tools.common.checksums import NAME
from tools.common.errors import UserError, command
from tools.common.files import scratch_folder, sha256
from tools.config.arguments import given_length
from tools.logs.command_line import add_log, table_form
from tools.logs.engine import read_log
from tools.logs.sources import log_files
from tools.retrieval.selection import add_filter_arguments, read_filters
from tools.serving.bulk import Interests, Lists, write_items
from tools.serving.everybody import PART, OfDataset, OfLog
from tools.serving.parts import ARRAYS
from tools.serving.predictor import Predictor


@command
def main(argv=None):
    """Open the export, answer all users, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="EXPORT", help="what tools.export wrote")
    parser.add_argument("--users", type=Path, metavar="PATH", help="a data set, a split of one, or a raw log")
    parser.add_argument("--output", type=Path, metavar="FILE", help="lists: .csv, .jsonl or .parquet")
    parser.add_argument("--interests", type=Path, metavar="FILE", help="users' interests: .npy or .parquet")
    parser.add_argument("--items", type=Path, metavar="FILE", help="item vectors: .npy or .parquet")
    parser.add_argument("--top_n", type=given_length, default=50, metavar="N", help="items a user; default: 50")
    add_filter_arguments(parser)
    add_log(parser)
    args = parser.parse_args(argv)
    check(args)
    with progress.logging_to_terminal(), contextlib.ExitStack() as stack:
        for path in filter(None, (args.output, args.interests, args.items)):
            stack.enter_context(replacing.writing(path))
        predictor = Predictor(folder=args.folder, filters=read_filters(args))
        if args.items:
            write_items(args.items, predictor)
        if args.users:
            scratch = stack.enter_context(scratch_folder(args.output or args.interests))
            write(open_users(args, predictor, scratch), files(args, predictor))


def check(args):
    """A `UserError` for options that don't go together."""
    if not (args.output or args.interests or args.items):
        raise UserError("nothing to write; give --output FILE, --interests FILE or --items FILE")
    if bool(args.users) != bool(args.output or args.interests):
        raise UserError(
            "--users and what is written of them go together: --users PATH --output FILE or --interests FILE"
        )
    if args.items and args.items.suffix.lower() not in ARRAYS:
        raise UserError(f"--items {args.items}: the ending is not one of {', '.join(ARRAYS)}, which say the form")


def is_dataset(path) -> bool:
    """Whether a path is a data set or a split of one, and no log."""
    return path.is_dir() and any((path / one).exists() for one in ("meta.yaml", "train", "test", "../meta.yaml"))


def open_users(args, predictor, scratch) -> OfDataset | OfLog:
    """Whom the path has."""
    if is_dataset(args.users):
        if args.user or args.item or args.time:
            raise UserError(f"--user, --item and --time are columns of a log, and {args.users} is a data set")
        return OfDataset(folder=args.users, predictor=predictor, export=args.folder)
    if not (args.user and args.item):
        raise UserError(f"{args.users}: no data set, so a log: name its columns with --user, --item and --time")
    form = table_form(argparse.Namespace(**vars(args) | {"category": None}))  # here --category is a filter, no column
    log = read_log(args.users, form, scratch, log_files(args.users, args.encoding))
    log.ties = "draw" if args.time else "file"
    for note in log.notes:
        logging.info("%s", note)
    for reason, rows in log.dropped.items():
        if rows:
            logging.info("%s: %d rows left out: %s", args.users, rows, reason)
    if predictor.features:
        logging.warning("a log says nothing of users' %s, so they are left open", ", ".join(predictor.features))
    return OfLog(log=log, predictor=predictor)


def files(args, predictor) -> list[Lists | Interests]:
    """What is written, its parts open."""
    filters = {"exclude": args.exclude, "allow": args.allow}
    options = {key: str(value) for key, value in vars(args).items() if key not in ("output", "interests", "items")}
    settings = {
        "export": sha256(args.folder / NAME), "users": _stamp(args.users), "part": PART, "options": options,
        "filters": {name: [sha256(one) for one in paths] for name, paths in filters.items() if paths},
    }  # fmt: skip
    found: list[Lists | Interests] = []
    if args.output:
        found.append(Lists(predictor=predictor, path=args.output, top_n=args.top_n, settings=settings))
    if args.interests:
        found.append(Interests(predictor=predictor, path=args.interests, settings=settings))
    return found


def _stamp(path) -> list:
    """Names, sizes and times of all files of a path."""
    paths = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    return [[str(one), one.stat().st_size, one.stat().st_mtime_ns] for one in paths]


def write(users, written):
    """Answer the users part by part."""
    for one in written:
        one.open()

    def done(number):
        return all(one.has(number) for one in written)

    bar = progress.progress(users.parts(done), name="parts", total=-(-users.count // PART))
    for number, people in bar:
        for one in written:
            if people is not None and not one.has(number):
                one.write(number, people)
    for one in written:
        without = one.without()
        one.join()
        logging.info("%s: %d users, %d without a list or interest", one.path, users.count, without)


if __name__ == "__main__":
    main()
