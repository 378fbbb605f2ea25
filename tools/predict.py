"""Recommend with an exported model.

Example: python -m tools.predict output/export histories.jsonl --top_n 10
Example: python -m tools.predict output/export --format csv < histories.csv

HISTORIES is a file, or standard input, with the item ids of the data set, oldest first. The answer has the same form:
JSON lines {"user": "u1", "history": ["50", "258"]}, answered by
    {"user": "u1", "items": [{"item": "100", "score": 3.2, "interest": 0}, …], "unknown": 0}, best first;
CSV rows user,item, answered by rows user,rank,item,score,interest.
Items that the model doesn't know are skipped and counted; a user with no known item gets an empty list.
For a model with user features a JSON line may have "profile": {"age": "24", "genres": ["a", "b"]}; values that the
model doesn't know are skipped. A model that was trained with queries takes "query": "red shoes" in the same way.
"""

import argparse
import sys
from pathlib import Path

from tools.common.errors import UserError, command
from tools.config.arguments import positive
from tools.serving.histories import JSON_FORM, read_csv, read_input, read_json
from tools.serving.predictor import Predictor, answers, csv_text, json_text

# How to read histories, what stands above the answers, how to write one.
FORMATS = {"json": (read_json, "", json_text), "csv": (read_csv, "user,rank,item,score,interest\n", csv_text)}


@command
def main(argv=None):
    """Read histories, print recommendations, count on standard error what was skipped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="what tools.export wrote")
    parser.add_argument("histories", type=Path, nargs="?", metavar="HISTORIES", help="default: standard input")
    parser.add_argument("--top_n", type=positive, default=50, metavar="N", help="items a user; default: 50")
    parser.add_argument("--format", choices=FORMATS, help="default: csv for a name that ends in .csv, json otherwise")
    args = parser.parse_args(argv)
    suffix = args.histories.suffix if args.histories else ""
    read, header, text_of = FORMATS[args.format or ("csv" if suffix == ".csv" else "json")]
    predictor = Predictor(folder=args.folder)
    text, name = read_input(args.histories)
    users = read(text, name, predictor.profiles.numbers if predictor.profiles else ())
    if not users:
        raise UserError(f"{name}: no histories; give JSON lines like {JSON_FORM} or, with --format csv, rows user,item")
    unknown = empty = 0
    sys.stdout.write(header)
    for answer in answers(predictor, users, args.top_n):
        sys.stdout.write(text_of(answer))
        unknown += answer.unknown
        empty += not answer.items
    print(f"{len(users)} users, {empty} without recommendations; {unknown} unknown items skipped", file=sys.stderr)


if __name__ == "__main__":
    main()
