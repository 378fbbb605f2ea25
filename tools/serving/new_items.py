"""New items, read from JSON lines."""

from typing import NamedTuple

import numpy as np

from tools.common.errors import UserError
from tools.common.files import read_text, shown
from tools.common.ragged import Ragged, ragged
from tools.serving.histories import is_id, number_values, read_object, read_values

FORM = '{"item": "sku9", "features": {"brand": ["x"]}}'


class NewItems(NamedTuple):
    """Items of a file, in its order."""

    names: list[str]  # the user's own ids
    token: Ragged  # row n·F + f: numbers of the values of feature f of new item n
    unknown: int  # values that the model doesn't know


def read_items(file, texts, taken) -> NewItems:
    """New items of JSON lines.

    Args:
        file: the lines.
        texts: feature -> its values, in the order of their numbers.
        taken: the user's own ids of the items that the export has.

    Raises:
        UserError: one line for each line that is no new item.
    """
    numbers = number_values(texts)
    slots: list[list[int]] = []
    lines: dict[str, int] = {}  # item -> where it stands
    errors, unknown = [], 0
    for line, text in enumerate(read_text(file).split("\n"), 1):
        if not text.strip():
            continue
        try:
            item, features = read_item(text)
            if item in taken or item in lines:
                where = f"stands on line {lines[item]} too" if item in lines else "is known already"
                raise ValueError(f"item {item!r} {where}; remove the line")
            lines[item] = line
            token = [[own[one] for one in features.get(name, ()) if one in own] for name, own in numbers.items()]
            if not any(token):
                wanted = f"give it one of {', '.join(texts)}"
                raise ValueError(f"item {item!r} has neither clicks nor a feature that the model knows; {wanted}")
        except ValueError as error:
            errors.append(f"{file}:{line}: {error}")
            continue
        slots += token
        unknown += sum(len(features.get(name, ())) for name in texts) - sum(map(len, token))
    if errors or not lines:
        raise UserError("\n       ".join(errors) or f"{file}: no items; give JSON lines like {FORM}")
    values = np.array([number for one in slots for number in one], np.int64)
    return NewItems(list(lines), ragged([len(one) for one in slots], values), unknown)


def read_item(text) -> tuple[str, dict[str, list[str]]]:
    """The user's own id of a JSON line's item, and its features; a `ValueError` for anything else."""
    row = read_object(text)
    for key in sorted((row or {}).keys() - {"item", "features"}):
        raise ValueError(f"{shown(key)!r} is neither item nor features; remove it")
    if row is None or not is_id(row.get("item")):
        raise ValueError(f"{text.strip()[:80]!r} is not a line like {FORM}; correct or remove it")
    return str(row["item"]), read_values(row.get("features"), "features")
