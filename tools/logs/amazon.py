"""Amazon's reviews with their metadata, JSON lines of 2014 and 2018, whose keys are the same."""

import re
from pathlib import Path

import numpy as np

from tools.common import progress
from tools.common.files import line_blocks
from tools.common.ragged import ragged
from tools.data.split_text import LONGEST_WORD
from tools.logs.interactions import Interactions
from tools.logs.polars_blocks import log_files, parse_line

REVIEW = {"user": "reviewerID", "item": "asin", "time": "unixReviewTime"}
RATED_REVIEW = REVIEW | {"rating": "overall"}
ASIN = re.compile(rb"""['"]asin['"]\s*:\s*['"]([^'"]+)['"]""")


def add_metadata(log: Interactions, path: Path):
    """Give a log of reviews its items' attributes: the brand, then the category path, whose last is the category.

    Args:
        log: with an item's `asin` as its name.
        path: file or folder of lines with `asin, brand` and `categories`, of which the first path counts, or
            `category`. Items that are not there have no attributes; of an item that occurs twice the first line counts.
    """
    with progress.stage(f"read {path}", quick=0) as counted:
        brands, paths = _read_metadata(path, log.item_names)
        lists = [brand + path for brand, path in zip(brands, paths, strict=True)]
        counted["items"] = sum(map(bool, lists))
    texts = np.array([text for one in lists for text in one], str)
    log.item_attributes = {"attributes": ragged([len(one) for one in lists], texts)}
    log.item_category = np.array([path[-1] if path else "" for path in paths], str)


def _read_metadata(path, item_names):
    """Brand and category path of each item, lists of texts."""
    codes = {name.encode(): code for code, name in enumerate(item_names)}
    brands: list[list[str]] = [[] for _ in codes]
    paths: list[list[str]] = [[] for _ in codes]
    for file in log_files(path):
        for first, data in line_blocks(file):
            for number, line in enumerate(data.split(b"\n"), first):
                named = ASIN.findall(line)  # most lines are of items that nobody reviewed: don't parse those
                if not line.strip() or (named and codes.keys().isdisjoint(named)):
                    continue
                item = parse_line(file, number, line)
                code = codes.pop(str(item.get("asin")).encode(), None)
                if code is not None:
                    brands[code] = _texts([item.get("brand")])
                    categories = item.get("categories") or [item.get("category")]
                    paths[code] = _texts(categories[0] if isinstance(categories[0], list) else categories)
    return brands, paths


def _texts(values):
    """What of the values is a text, each in one line of bounded length, since shops write what they like."""
    lines = (" ".join(one.replace("\0", " ").split()) for one in values if isinstance(one, str))
    return [line.encode("utf-8", "replace").decode()[:LONGEST_WORD] for line in lines if line]
