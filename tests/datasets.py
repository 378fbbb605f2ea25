"""Small data sets in a folder, and what goes beside them."""

import json

import numpy as np

from tools.data.dataset import read_evaluation, read_map
from tools.preprocess import main


def prepare_users(folder):
    """A data set of 115 users with 20 of 60 items each, `folder/data`: 92 of them train, from 16 positions each."""
    rng = np.random.default_rng(0)
    lines = [" ".join([f"u{user}", *map(str, rng.permutation(60)[:20])]) for user in range(115)]
    (folder / "log.txt").write_text("\n".join(lines))
    main(["sequences", str(folder / "log.txt"), "--output", str(folder / "data")])


def write_features(folder, kind, /, **columns):
    """Features of the items or users of a data set, by name: a list of values for each of them."""
    arrays = {}
    for name, rows in columns.items():
        names, values = np.unique([value for row in rows for value in row], return_inverse=True)
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
        arrays |= {f"{name}.names": names, f"{name}.values": values.astype(np.int32), f"{name}.offsets": offsets}
    np.savez(folder / f"{kind}_attributes.npz", **arrays)


def histories_of_test(folder, item_count) -> tuple[list[str], str]:
    """The test users of a data set, and their histories as `tools.predict` takes them, all in the user's own ids."""
    data, _ = read_evaluation([str(folder / "test/interactions.csv")], item_count)
    items, users = (read_map(folder / f"{name}_map.csv") for name in ("item", "user"))
    names = [users[user] for user in data.users.tolist()]
    lines = [
        json.dumps({"user": name, "history": [items[item] for item in data.history.take([row]).values]})
        for row, name in enumerate(names)
    ]
    return names, "\n".join(lines)
