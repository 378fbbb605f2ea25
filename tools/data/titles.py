"""What an item is called where people read it."""

import json
from pathlib import Path

import numpy as np

from tools.common.errors import UserError
from tools.common.files import load_arrays, read_text
from tools.data.dataset import read_map
from tools.data.features import attribute
from tools.data.split_text import parse_json

NAME = "item_title.json"  # in an export, which has of the items' attributes only those that the model was trained with


def titles(folder, item_count=0, names: dict[int, str] | None = None) -> list[str]:
    """One text an item id; the one of 0, padding, is empty.

    It is the item's attribute `title` where the data set has one, else the item's own id by `item_map.csv`, else the
    number. Two items may have the same.

    Args:
        folder: of a data set, or of an export.
        item_count: rows of the item table, where the folder may name fewer.
        names: what `item_map.csv` says, where it has been read.

    Raises:
        UserError: for a file that is not as `tools.preprocess` and `tools.export` write it.
    """
    known, names = _attribute(Path(folder)), read_map(Path(folder) / "item_map.csv") if names is None else names
    item_count = max(item_count, len(known), max(names, default=0) + 1)
    found = spelled(names, item_count)
    for item, title in enumerate(known):
        found[item] = title or found[item]
    found[0] = ""
    return found


def spelled(names: dict[int, str], item_count) -> list[str]:
    """The user's own id of each row of an item table, its number where it has none.

    Args:
        names: what `read_map` gives.
        item_count: rows of the table, padding among them.
    """
    return [str(item) if name is None else name for item, name in enumerate(map(names.get, range(item_count)))]


def copy(source, target):
    """Keep a data set's titles in an export; where it has none there is nothing to keep."""
    if known := _attribute(Path(source)):
        (Path(target) / NAME).write_text(json.dumps(known, ensure_ascii=False, indent=0), encoding="utf-8", newline="")


def _attribute(folder) -> list[str]:
    """The attribute `title` by item id; "" where an item has none, empty where no item has."""
    if (folder / NAME).is_file():
        return _read(folder / NAME)
    path = folder / "item_attributes.npz"
    if not path.is_file():
        return []
    arrays = load_arrays(path, "prepare the data set again")
    if "title.names" not in arrays:
        return []
    texts, rows = attribute(arrays, "title", path)
    return ["", *(" ".join(one) for one in np.split(texts[rows.values], rows.offsets[1:-1]))]


def _read(path):
    try:
        known = parse_json(read_text(path))
        if not isinstance(known, list) or not all(isinstance(one, str) for one in known):
            raise ValueError("no list of texts")
    except ValueError as error:
        raise UserError(f"{path}: not as tools.export writes it ({error}); export it again") from None
    return known
