"""Recommend with an exported model: python -m tools.predict FOLDER [HISTORIES] [--top_n 50] [--format json|csv].

HISTORIES is a file, or standard input, in the item ids of the data set, oldest first. The answer has the same form:
JSON lines {"user": "u1", "history": ["50", "258"]}, answered by
    {"user": "u1", "items": [{"item": "100", "score": 3.2, "interest": 0}, …], "unknown": 0}, best first;
CSV rows user,item, answered by rows user,rank,item,score,interest.
Items that the model doesn't know are skipped and counted; a user with no other gets an empty list.
"""

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from paddle import inference

from tools.config import load_config, positive
from tools.dataset import read_map
from tools.errors import UserError, exits_with_code_2
from tools.files import decode, read_text
from tools.ragged import cut_histories, ragged
from tools.retrieval import Recommendations, Retriever

NEEDED = ("config.yaml", "index.faiss", "user_tower.json", "user_tower.pdiparams")
JSON_FORM = '{"user": "u1", "history": ["50", "258"]}'


class Predictor:
    """A folder of `tools.export`, ready to recommend.

    Args:
        folder: the folder.

    Raises:
        UserError: where a file of it is missing or cannot be read.
    """

    def __init__(self, *, folder):
        folder = Path(folder)
        if missing := [name for name in NEEDED if not (folder / name).is_file()]:
            raise UserError(f"{folder}: no {missing[0]} here; make it with: python -m tools.export -m config.yaml")
        config = load_config(folder / "config.yaml")
        self.maxlen = config.hyper_parameters.maxlen
        self.filter_seen, self.batch_size = config.runner.filter_seen, config.runner.infer_batch_size
        self.tower = _open_tower(folder)
        self.retriever = Retriever.load(folder / "index.faiss")
        self.item_num = self.retriever.index.ntotal  # V, without padding
        # Our ids and the user's own, which are the same where the data set has no map.
        self.names = read_map(folder / "item_map.csv") or {item: str(item) for item in range(1, self.item_num + 1)}
        self.numbers = {name: item for item, name in self.names.items()}

    def embed(self, hist_item, seq_len) -> tuple[np.ndarray, np.ndarray]:
        """Interests `[B, K, D]` and live mask `[B, K]` of right-padded histories, int64 `[B, T]` and `[B]`."""
        for name, array in (("hist_item", hist_item), ("seq_len", seq_len)):
            self.tower.get_input_handle(name).copy_from_cpu(array)
        self.tower.run()
        interests, live = (self.tower.get_output_handle(name).copy_to_cpu() for name in self.tower.get_output_names())
        return interests, live

    def recommend(self, histories, top_n) -> Recommendations:
        """Lists of histories.

        Args:
            histories: lists of our ids, oldest first, none of them empty; the last `maxlen` are embedded, and all are
                left out of the lists where the exported configuration says `filter_seen`.
            top_n: N, cut at the size of the catalogue.
        """
        items = ragged([len(one) for one in histories], np.concatenate(histories).astype(np.int64))
        hist_item, seq_len = cut_histories(items, np.arange(len(histories)), items.lengths, self.maxlen)
        interests, live = self.embed(hist_item, seq_len)
        depth = min(top_n, self.item_num)
        seen = items if self.filter_seen else None
        return self.retriever.recommend(interests, live, depth, seen=seen, maxlen=self.maxlen)


def _open_tower(folder):
    config = inference.Config(str(folder / "user_tower.json"), str(folder / "user_tower.pdiparams"))
    config.disable_glog_info()
    config.disable_mkldnn()  # the default: on Paddle 3.3.1 it gives wrong squashed vectors and live masks
    try:
        return inference.create_predictor(config)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{folder}: user_tower is not readable ({reason}); export it again") from None


class Answer(NamedTuple):
    """What one user gets."""

    user: str | int
    items: list[tuple[str, str, int]]  # the user's own id, score, interest; best first
    unknown: int  # items of the history that were skipped


def answers(predictor: Predictor, users, top_n) -> Iterator[Answer]:
    """Answers to `(user, history)` pairs in the user's own item ids, batch by batch."""
    numbers = predictor.numbers
    for start in range(0, len(users), predictor.batch_size):
        batch = users[start : start + predictor.batch_size]
        known = [[numbers[item] for item in history if item in numbers] for _, history in batch]
        embedded = [one for one in known if one]
        lists = zip(*predictor.recommend(embedded, top_n), strict=True) if embedded else iter(())
        for (user, history), items in zip(batch, known, strict=True):
            columns = next(lists) if items else ((), (), ())
            rows = [
                (predictor.names.get(int(item), str(item)), f"{score:.8g}", int(interest))
                for item, score, interest in zip(*columns, strict=True)
                if item
            ]
            yield Answer(user, rows, len(history) - len(items))


def read_json(text, name) -> list[tuple]:
    """`(user, history)` of JSON lines; a `UserError` with the line for anything else."""
    users = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not (isinstance(row, dict) and _is_id(row.get("user")) and _are_ids(row.get("history"))):
            raise UserError(f"{name}:{number}: {line.strip()[:80]!r} is not a line like {JSON_FORM}; mend or remove it")
        users.append((row["user"], [str(item) for item in row["history"]]))
    return users


def _is_id(value):
    return isinstance(value, str | int) and not isinstance(value, bool)


def _are_ids(values):
    return isinstance(values, list) and all(map(_is_id, values))


def read_csv(text, name) -> list[tuple]:
    """`(user, history)` of CSV rows, users by first appearance; a `UserError` with the line for anything else."""
    users: dict[str, list[str]] = {}
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for row in reader:
            if row and len(row) != 2:
                raise UserError(f"{name}:{reader.line_num}: {len(row)} fields; a row is user,item: mend or remove it")
            if row and (reader.line_num > 1 or row != ["user", "item"]):
                users.setdefault(row[0], []).append(row[1])
    except csv.Error as error:
        raise UserError(f"{name}:{reader.line_num}: not readable as CSV ({error}); mend or remove it") from None
    return list(users.items())


def json_text(answer: Answer) -> str:
    """One line."""
    rows = [{"item": item, "score": float(score), "interest": interest} for item, score, interest in answer.items]
    return json.dumps({"user": answer.user, "items": rows, "unknown": answer.unknown}) + "\n"


def csv_text(answer: Answer) -> str:
    """One line a recommended item."""
    text = io.StringIO()
    rows = ((answer.user, rank, *row) for rank, row in enumerate(answer.items, 1))
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


# How to read histories, what stands above the answers, how to write one.
FORMATS = {"json": (read_json, "", json_text), "csv": (read_csv, "user,rank,item,score,interest\n", csv_text)}


def read_input(path) -> tuple[str, str]:
    """Text and name of a file, or of standard input."""
    if path is not None:
        return read_text(path), str(path)
    return decode(sys.stdin.buffer.read(), "<stdin>"), "<stdin>"


@exits_with_code_2
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
    users = read(text, name)
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
