"""Amazon's reviews with their metadata, JSON lines of 2014 and 2018, whose keys are the same."""

import re
from pathlib import Path

import numpy as np

from tools import progress
from tools.blocks import Form, log_files, parse_line
from tools.files import line_blocks
from tools.interactions import Interactions
from tools.logs import read_log
from tools.ragged import ragged
from tools.text import LONGEST_WORD

REVIEW = {"user": "reviewerID", "item": "asin", "time": "unixReviewTime"}
ASIN = re.compile(rb"""['"]asin['"]\s*:\s*['"]([^'"]+)['"]""")


def read_reviews(path: Path, metadata: Path | None, scratch: Path, min_rating=None) -> Interactions:
    """The reviews as a log; attributes of an item are its brand, then its category path, whose last is its category.

    Args:
        path: file or folder of lines with `reviewerID, asin, unixReviewTime, overall`.
        metadata: file or folder of lines with `asin, brand` and `categories`, of which the first path counts, or
            `category`. Items without any have no attributes; where an item stands twice, the first counts.
        scratch: folder for the codes.
        min_rating: reviews with fewer stars are left out.
    """
    columns = REVIEW if min_rating is None else REVIEW | {"rating": "overall"}
    log = read_log(path, Form(columns, min_rating=min_rating), scratch)
    if metadata is not None:
        with progress.stage(f"read {metadata}", quick=0) as counted:
            brands, paths = _read_metadata(metadata, log.item_names)
            counted["items"] = sum(1 for brand, path in zip(brands, paths, strict=True) if brand or path)
        lists = [brand + path for brand, path in zip(brands, paths, strict=True)]
        texts = np.array([text for one in lists for text in one], str)
        log.item_attributes = {"attributes": ragged([len(one) for one in lists], texts)}
        log.item_category = np.array([path[-1] if path else "" for path in paths], str)
    return log


def _read_metadata(path, item_names):
    """Brand and category path of each item, lists of texts."""
    codes = {name.encode(): code for code, name in enumerate(item_names)}
    brands: list[list[str]] = [[] for _ in codes]
    paths: list[list[str]] = [[] for _ in codes]
    for file in log_files(path):
        for first, data in line_blocks(file):
            for number, line in enumerate(data.split(b"\n"), first):
                named = ASIN.search(line)  # most lines are of items that nobody reviewed: don't parse those
                if not line.strip() or (named and named[1] not in codes):
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
