"""What a data set holds, by dictionaries and lists: the reference that the readers of logs are held against."""

import itertools
from collections import Counter

import numpy as np
import yaml
from conftest import CUTS, check_dataset, table_of

EMPTY = {"", " ", "\\N", "NULL", "Null", "null", "NA", "N/A", "n/a", "<NA>", "NaN", "NAN", "nan", "NaT", "None", "none"}


def check(folder, rows, *, min_count=5, protocol="comirec", left_out=0, leaf=None, attributes=None):
    """Hold a whole folder against a log in memory.

    Args:
        folder: the data set.
        rows: `(user, item, time)` in source order, those without an id included.
        left_out: rows of the log that are not among them.
        leaf: item -> category, None where the data set has none.
        attributes: name -> {item: [text, …]}.
    """
    assert protocol in CUTS
    events = [row for row in rows if row[0] not in EMPTY and row[1] not in EMPTY and row[2] is not None]
    meta = check_dataset(folder, events, min_count, protocol, read=len(rows) + left_out)
    count = Counter(item for _, item, _ in events)
    assert meta["dropped"][f"items with fewer than {min_count} interactions"] == sum(
        number for number in count.values() if number < min_count
    )
    items = [name for _, name in table_of(folder / "item_map.csv")[1:]]
    if leaf is not None:
        names = {int(n): name for n, name in table_of(folder / "category_map.csv")[1:]} | {-1: ""}
        assert list(names.values())[:-1] == sorted({leaf[item] for item in items} - {""})
        assert [names[n] for n in np.load(folder / "item_category.npy")] == ["", *(leaf[item] for item in items)]
    for name, texts in (attributes or {}).items():
        with np.load(folder / "item_attributes.npz") as file:
            words, bounds = file[f"{name}.names"][file[f"{name}.values"]].tolist(), file[f"{name}.offsets"]
        assert [words[a:b] for a, b in itertools.pairwise(bounds)] == [texts.get(item, []) for item in items]
    return meta


def same_folder(one, other):
    """Every file of two data sets is the same, to the byte; `meta.yaml` but for the source."""
    names = sorted(path.relative_to(one) for path in one.rglob("*"))
    assert names == sorted(path.relative_to(other) for path in other.rglob("*"))
    for name in names:
        if (one / name).is_file() and name.suffix not in (".yaml", ".npz"):
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
        elif name.suffix == ".npz":
            with np.load(one / name) as a, np.load(other / name) as b:
                assert a.files == b.files
                assert all(a[key].dtype == b[key].dtype and np.array_equal(a[key], b[key]) for key in a.files), name
    metas = [yaml.safe_load((folder / "meta.yaml").read_text(encoding="utf-8")) for folder in (one, other)]
    assert metas[0].pop("source").keys() == metas[1].pop("source").keys()
    assert metas[0] == metas[1]
