"""Logs of skewed users and items in the formats that are read, with a seed."""

import csv
import gzip
import io
import json
import lzma
import random

COLUMNS = ("--user", "user", "--item", "item", "--time", "time")
PACKERS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}


def random_rows(seed, count=900):
    """`(user, item, time, kind, stars)`: skewed users and items, and few different times."""
    rng = random.Random(seed)
    return [
        (f"u{int(70 * rng.random() ** 2)}", f"i{int(80 * rng.random() ** 2)}", rng.randrange(40), f"k{n % 7}", n % 6)
        for n in range(count)
    ]


def as_csv(rows, header=("user", "item", "time", "kind", "stars")):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([*([header] if header else []), *rows])
    return text.getvalue().encode()


def first_kind(rows):
    return {item: kind for _, item, _, kind, *_ in reversed(rows)}


def as_reviews(rows):
    keys = ("reviewerID", "asin", "unixReviewTime", "overall")
    return [
        dict(zip(keys, (row[0], row[1], row[2], float(row[4])), strict=True)) | {"reviewText": 'a "b"'} for row in rows
    ]


def metadata(items, year):
    """Lines of metadata, and brand and category path of each item."""
    lines, known = [], {}
    for n, item in enumerate(items):
        path, brand = [["Books"], ["Books", f"Leaf {n % 4}"], []][n % 3], ["", "it's \u732b", None, "b\nb"][n % 4]
        entry = {"asin": item, "title": "it's"} | ({} if brand is None else {"brand": brand})
        entry |= {"categories": [path, ["Other"]]} if year == 2014 else {"category": path}
        lines.append(str(entry) if year == 2014 else json.dumps(entry))
        known[item] = (["it's \u732b"] if n % 4 == 1 else ["b b"] if n % 4 == 3 else [], path)
    return lines, known
