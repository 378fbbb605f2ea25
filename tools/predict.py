"""Recommend with an exported model.

Example: python -m tools.predict output/export histories.jsonl --top_n 10
Example: python -m tools.predict output/export --format csv < histories.csv
Example: python -m tools.predict output/export histories.jsonl --exclude sold_out.txt --category Comedy Drama

HISTORIES is a file, or standard input, with your own item ids, oldest first. The answer has the same form:
JSON lines {"user": "u1", "history": ["50", "258"]}, answered by
    {"user": "u1", "items": [{"item": "100", "score": 3.2, "interest": 1}, …], "unknown": 0}, best first;
CSV rows user,item, answered by rows user,rank,item,score,interest.
Items that the model doesn't know are skipped and counted; a user with no known item gets an empty list. An invalid
line is answered by {"user": "u1", "line": 3, "error": "…"}, an invalid CSV row by user,error,MESSAGE,,. The other lines
are answered as usual, and the exit code is 2.
A CSV may have a header: a first row of names like user_id,item_id, or one whose item the model doesn't know.
For a model with user features a JSON line may have "profile": {"age": "24", "genres": ["a", "b"]}; values that the
model doesn't know are skipped. A model that was trained with queries takes "query": "red shoes" in the same way.
"exclude": ["100"] on a line leaves items out of this user's list; "allow": ["50", "100"] and "category": ["Comedy"]
limit the list to such items. --exclude, --allow and --category hold for every list.
"""

import argparse
import logging
import sys
from pathlib import Path

from tools.common import progress
from tools.common.errors import UserError, command, output_is_closed
from tools.config.arguments import given_length
from tools.retrieval.selection import add_filter_arguments, read_filters
from tools.serving.histories import JSON_FORM, Fault, History, read_input, read_json
from tools.serving.history_table import read_csv
from tools.serving.predictor import Predictor, answers, csv_text, json_text

# What stands above the answers, and how to write one.
FORMATS = {"json": ("", json_text), "csv": ("user,rank,item,score,interest\n", csv_text)}


@command
def main(argv=None):
    """Read histories, print recommendations, count on standard error what was skipped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="what tools.export wrote")
    parser.add_argument("histories", type=Path, nargs="?", metavar="HISTORIES", help="default: standard input")
    parser.add_argument("--top_n", type=given_length, default=50, metavar="N", help="items a user; default: 50")
    parser.add_argument("--format", choices=FORMATS, help="default: csv for a name that ends in .csv, json otherwise")
    parser.add_argument("--user", metavar="NAME", help="the CSV's column of users, where it has more than two")
    parser.add_argument("--item", metavar="NAME", help="the CSV's column of items")
    parser.add_argument("--no-header", action="store_true", help="the CSV has no header, whatever it looks like")
    add_filter_arguments(parser)
    args = parser.parse_intermixed_args(argv)
    if output_is_closed():
        raise UserError("standard output is closed, and the answers go there; send it to a file")
    suffix = args.histories.suffix.lower() if args.histories else ""
    form = args.format or ("csv" if suffix == ".csv" else "json")
    if form != "csv" and (args.user or args.item or args.no_header):
        raise UserError("--user, --item and --no-header are of CSV; JSON lines name what they hold: leave them out")
    if args.no_header and (args.user or args.item):
        raise UserError("--no-header: --user and --item name columns of a header; give one or the other")
    with progress.logging_to_terminal(logging.WARNING):
        predictor = Predictor(folder=args.folder, filters=read_filters(args))
        users = read_users(args, form, predictor)
    write_answers(predictor, users, args.top_n, *FORMATS[form])


def read_users(args, form, predictor) -> list[History | Fault]:
    """The requests; a `UserError` where there are none."""
    text, name = read_input(args.histories)
    if form == "csv":
        columns = (args.user, args.item)
        users = read_csv(text, name, known=predictor.numbers, columns=columns, header=not args.no_header)
    else:
        users = read_json(text, name, predictor.features, predictor.catalogue)
    if not users:
        raise UserError(f"{name}: no histories; give JSON lines like {JSON_FORM} or, with --format csv, rows user,item")
    return users


def write_answers(predictor, users, top_n, header, text_of):
    """Print answers in the order of the requests; a `UserError` after the last where some have none."""
    unknown = empty = 0
    sys.stdout.write(header)
    for answer in answers(predictor, users, top_n):
        sys.stdout.write(text_of(answer))
        if not isinstance(answer, Fault):
            unknown += answer.unknown
            empty += not answer.items
    faults = [one for one in users if isinstance(one, Fault)]
    answered = len(users) - len(faults)
    print(f"{answered} users, {empty} without recommendations; {unknown} unknown items skipped", file=sys.stderr)
    if faults:
        raise UserError(f"{len(faults)} of {len(users)} requests not answered; the first: {faults[0].error}")


if __name__ == "__main__":
    main()
