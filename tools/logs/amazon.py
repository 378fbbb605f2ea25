"""The metadata of Amazon's items, JSON lines of 2014, 2018 or 2023."""

import re
from pathlib import Path

import numpy as np

from tools.common import progress
from tools.common.files import line_blocks
from tools.common.ragged import ragged
from tools.data.split_text import LONGEST_WORD
from tools.logs.interactions import Interactions
from tools.logs.sources import log_files
from tools.logs.structured import parse_line

ASIN = re.compile(rb"""['"](?:parent_)?asin['"]\s*:\s*['"]([^'"]+)['"]""")


def add_metadata(log: Interactions, path: Path):
    """Give a log of reviews its items' titles and attributes: the brand, then the category path.

    The path's last name is the category.

    Args:
        log: with an item's `asin`, in 2023 its `parent_asin`, as its name.
        path: file or folder of lines with these, `title`, `brand` or `store`, and `categories`, of which the first path
            counts, or `category`. Items that are not there have no attributes; of an item that occurs twice the first
            line counts.
    """
    with progress.stage(f"read {path}", quick=0) as counted:
        titles, brands, paths = _read_metadata(path, log.item_names)
        lists = [brand + path for brand, path in zip(brands, paths, strict=True)]
        counted["items"] = sum(map(bool, lists))
    log.item_attributes = {"attributes": _rows(lists)} | ({"title": _rows(titles)} if any(titles) else {})
    log.item_category = np.array([path[-1] if path else "" for path in paths], object)


def _rows(lists):
    return ragged([len(one) for one in lists], np.array([text for one in lists for text in one], object))


def _read_metadata(path, item_names):
    """Title, brand and category path of each item, lists of texts."""
    codes = {name.encode(): code for code, name in enumerate(item_names)}
    titles, brands, paths = _lists(codes), _lists(codes), _lists(codes)
    for file in log_files(path):
        for first, data in line_blocks(file):
            for number, line in enumerate(data.split(b"\n"), first):
                named = ASIN.findall(line)  # most lines are of items that nobody reviewed: don't parse those
                if not line.strip() or (named and codes.keys().isdisjoint(named)):
                    continue
                item = parse_line(file, number, line)
                code = codes.pop(str(item.get("parent_asin") or item.get("asin")).encode(), None)
                if code is not None:
                    titles[code] = _texts([item.get("title")])
                    brands[code] = _texts([item.get("brand") or item.get("store")])
                    categories = item.get("categories") or [item.get("category")]
                    paths[code] = _texts(categories[0] if isinstance(categories[0], list) else categories)
    return titles, brands, paths


def _lists(codes) -> list[list[str]]:
    return [[] for _ in codes]


def _texts(values):
    """What of the values is a text, each in one line of bounded length, since shops write what they like."""
    lines = (" ".join(one.replace("\0", " ").split()) for one in values if isinstance(one, str))
    return [line.encode("utf-8", "replace").decode()[:LONGEST_WORD] for line in lines if line]
