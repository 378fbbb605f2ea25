"""Filters: which items a list may hold, told in the user's own ids and categories, and as a set of rows."""

import logging
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tools.common.errors import UserError, did_you_mean
from tools.common.files import lines_of, read_text, shown
from tools.data.dataset import read_categories, read_map
from tools.data.titles import spelled
from tools.retrieval.exact import faiss

KEPT = 16  # selections that are kept, since the same categories are asked for again and again


class Filters(NamedTuple):
    """What lists may hold, in the user's own ids: an item passes that all three let pass."""

    exclude: tuple[str, ...] = ()  # never these items
    allow: tuple[str, ...] | None = None  # only these; None: all
    category: tuple[str, ...] | None = None  # only items of these categories; None: of all


class Selection:
    """A set of items.

    Args:
        allowed: `[item_count]` bool; row 0 is padding, which no list holds.
    """

    def __init__(self, *, allowed):
        self.allowed = np.array(allowed, bool)
        self.allowed[0] = False
        self.items = np.flatnonzero(self.allowed)  # rising ids

    @cached_property
    def selector(self) -> Any:
        """Faiss's own form of the set; the index counts from 0."""
        return faiss.IDSelectorBitmap(np.packbits(self.allowed[1:], bitorder="little"))  # type: ignore


class Catalogue:
    """The user's own ids of items, and their categories: what filters are told in.

    Args:
        folder: of a data set or an export, with its maps.
        item_count: rows of the item table.
        filters: what holds for every list.

    Raises:
        UserError: for a category that there isn't, and filters that leave no item.
    """

    def __init__(self, *, folder, item_count, filters: Filters | None = None):
        self.folder, self.item_count = Path(folder), item_count
        # Our ids and the user's own, which are the same where the data set has no map.
        self.names = read_map(self.folder / "item_map.csv") or {item: str(item) for item in range(1, item_count)}
        self.numbers = dict(zip(self.names.values(), self.names, strict=True))
        self.select = lru_cache(KEPT)(self._select)
        self.base: Selection | None = None
        if filters:
            self.base = self._select(filters)
            if not len(self.base.items):
                raise UserError(f"the filters leave none of the {item_count - 1} items; give ids that are in {folder}")
            tell_unknown(filters, self.numbers)
            logging.info("filters leave %d of %d items", len(self.base.items), item_count - 1)

    @cached_property
    def spelled(self) -> list[str]:
        """The user's own id of each row of the item table, its number where it has none."""
        return spelled(self.names, self.item_count)

    @cached_property
    def category(self) -> np.ndarray | None:
        """Category of each row of the item table, -1 for none; None where the folder has none."""
        return read_categories(self.folder, self.item_count)

    @cached_property
    def category_numbers(self) -> dict[str, int]:
        """Name of a category -> its number; empty where there are no categories."""
        if self.category is None:
            return {}
        names = read_map(self.folder / "category_map.csv", "name")
        return {names.get(one, str(one)): one for one in np.unique(self.category[self.category >= 0]).tolist()}

    def check_categories(self, names):
        """A `ValueError` for the first name that is no category of an item."""
        for name in names:
            if name not in self.category_numbers:
                rule = "is none of the categories" if self.category_numbers else "cannot be chosen: items have none"
                raise ValueError(f"category: {shown(name)!r} {rule}{did_you_mean(name, self.category_numbers)}")

    def rows(self, names) -> list[int]:
        """Our ids of the user's own, those that are unknown left out."""
        return [row for row in map(self.numbers.get, names) if row is not None]

    def choose(self, filters: Filters) -> Selection | None:
        """The items that a user's own `allow` and `category` let pass; what holds for all where there are neither."""
        if filters.allow is None and filters.category is None:
            return self.base
        return self.select(filters._replace(exclude=()))

    def _select(self, filters: Filters) -> Selection:
        """The items that pass, among those that every list may hold. Unknown ids pass nothing and exclude nothing."""
        allowed = np.ones(self.item_count, bool) if self.base is None else self.base.allowed.copy()
        if filters.allow is not None:
            within = np.zeros(self.item_count, bool)
            within[self.rows(filters.allow)] = True
            allowed &= within
        if filters.category is not None:
            try:
                self.check_categories(filters.category)
            except ValueError as error:
                raise UserError(str(error)) from None
            wanted = [self.category_numbers[name] for name in filters.category]
            allowed &= np.isin(self.category, wanted) if self.category is not None else False
        allowed[self.rows(filters.exclude)] = False
        return Selection(allowed=allowed)


def tell_unknown(filters: Filters, numbers):
    """Warn of ids that are no items: a wrong file is then seen."""
    for name, ids in (("--exclude", filters.exclude), ("--allow", filters.allow or ())):
        if unknown := [one for one in ids if one not in numbers]:
            logging.warning(
                "%s: %d of %d ids are unknown, the first: %r", name, len(unknown), len(ids), shown(unknown[0])
            )


def add_filter_arguments(parser):
    """Give a command the three filters. Each may be given several times: the last would else win in silence."""
    file = {"metavar": "FILE", "action": "append"}
    parser.add_argument("--exclude", **file, help="never recommend the items of this file, an id a line")
    parser.add_argument("--allow", **file, help="recommend only the items of this file, an id a line")
    parser.add_argument(
        "--category", metavar="NAME", nargs="+", action="extend", help="recommend only items of these categories"
    )


def read_filters(args) -> Filters | None:
    """The filters of a command line, None where there are none."""
    category = None if args.category is None else tuple(args.category)
    found = Filters(_ids(args.exclude) or (), _ids(args.allow), category)
    return None if found == Filters() else found


def _ids(paths) -> tuple[str, ...] | None:
    """The ids of files, one a line; a `UserError` for a file without any."""
    if paths is None:
        return None
    each = {path: [line for _, line in lines_of(read_text(path))] for path in paths}
    for path, ids in each.items():
        if not ids:
            raise UserError(f"{path}: no ids; give one a line")
    return tuple(one for ids in each.values() for one in ids)
