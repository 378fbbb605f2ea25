"""A log whose items and users another data set knows already: these keep their numbers, and what is known of them."""

from typing import NamedTuple

import numpy as np
import polars

from tools.common.errors import UserError
from tools.common.files import load_arrays
from tools.common.ragged import Ragged, ragged
from tools.data.dataset import read_categories, read_map
from tools.data.features import attribute
from tools.logs.extend import Base
from tools.logs.interactions import Interactions
from tools.logs.protocol import behind


class Known(NamedTuple):
    """Codes in a log of the items and users that keep their numbers, in the order of these."""

    items: np.ndarray
    users: np.ndarray
    absent: dict[str, int]  # item and user -> how many of them the log has not


def align(log: Interactions, base: Base | None) -> Known | None:
    """Give a log what only its base knows: names, and what was known of them, behind its own.

    Raises:
        UserError: where the log has none of the base's items or users.
    """
    if base is None:
        return None
    codes, absent = {}, {}
    for role, names in (("item", base.items), ("user", base.users)):
        found = _codes(getattr(log, f"{role}_names"), names)
        gone = np.flatnonzero(found < 0)
        if len(gone) == len(names):
            raise UserError(
                f"--extend {base.folder}: none of its {len(names)} {role}s is in {log.source['name']}; the log must "
                "have the same ids"
            )
        found[gone] = len(getattr(log, f"{role}_names")) + np.arange(len(gone))
        setattr(log, f"{role}_names", np.concatenate([getattr(log, f"{role}_names").astype(object), names[gone]]))
        _carry(getattr(log, f"{role}_attributes"), base.folder / f"{role}_attributes.npz", gone)
        codes[role], absent[role] = found, len(gone)
        if role == "item" and log.item_category is not None:
            log.item_category = np.concatenate([log.item_category, _categories(base)[gone]])
    return Known(codes["item"], codes["user"], absent)


def _codes(names, wanted):
    """Code of each wanted name in a log, -1 for none."""
    own = polars.DataFrame({"name": _texts(names), "code": np.arange(len(names))})
    found = polars.DataFrame({"name": _texts(wanted)}).join(own, on="name", how="left", maintain_order="left")
    return found["code"].fill_null(-1).to_numpy().astype(np.int64)


def _texts(names):
    return polars.Series(names.tolist(), dtype=polars.String)


def _carry(attributes, path, gone):
    """Rows of attributes for what has left the log, as the base has them."""
    arrays = load_arrays(path, "prepare the data set again") if len(gone) and path.is_file() else {}
    for name, rows in attributes.items():
        more = ragged(np.zeros(len(gone), np.int64), np.zeros(0, object))
        if f"{name}.names" in arrays:
            texts, numbers = attribute(arrays, name, path)
            some = numbers.take(gone)
            more = Ragged(texts.astype(object)[some.values], some.offsets)
        lengths = np.concatenate([rows.lengths, more.lengths])
        attributes[name] = ragged(lengths, np.concatenate([rows.values.astype(object), more.values]))


def _categories(base):
    """Text of each item's category, '' for none."""
    numbers = read_categories(base.folder, len(base.items) + 1)
    names = read_map(base.folder / "category_map.csv", "name")
    if numbers is None:
        return np.full(len(base.items), "", object)
    return np.array([names.get(number, "") for number in numbers[1:].tolist()], object)


def renumber(log: Interactions, known: Known):
    """Let the codes of a log be the numbers that its items and users keep; the others follow in their order."""
    for role, codes in (("item", known.items), ("user", known.users)):
        order = behind(codes, np.arange(len(getattr(log, f"{role}_names"))))
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        setattr(log, role, place[getattr(log, role)])
        setattr(log, f"{role}_names", getattr(log, f"{role}_names")[order])
        attributes = {name: rows.take(order) for name, rows in getattr(log, f"{role}_attributes").items()}
        setattr(log, f"{role}_attributes", attributes)
        if role == "item" and log.item_category is not None:
            log.item_category = log.item_category[order]
