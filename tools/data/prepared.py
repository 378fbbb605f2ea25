"""A prepared data set as Python holds it."""

from pathlib import Path
from typing import Any

import numpy as np

from tools.common.errors import UserError
from tools.common.tables import Table
from tools.data.dataset import data_files, read_evaluation, read_map, read_meta

SPLITS = ("train", "valid", "test")


class Data(Table):
    """A prepared data set, shown as a table of its splits.

    Args:
        folder: that `prepare` or `tools.preprocess` wrote.
        columns: what its log calls user, item and time; empty where that is not known.
        pandas: whether frames that are made without one coming in are of pandas.
        held: what keeps the folder.
    """

    def __init__(self, folder, *, columns=None, pandas=False, held: Any = None):
        self.name, self.folder = str(folder), Path(folder).absolute()  # wherever one goes later
        self.columns, self.pandas, self.held = columns or {}, pandas, held
        if not (self.folder / "train").is_dir():
            raise UserError(f"{folder}: no folder train here, so no data set; make one with prepare")
        self.meta = read_meta(self.folder / "train")  # empty for a data set of PaddleRec's own

    @property
    def keys(self) -> dict[str, str]:
        """Keys of a configuration: the folders of the splits."""
        there = {name: self.folder / name for name in SPLITS if (self.folder / name).is_dir()}
        return {f"{name}_data_dir": str(there.get(name, "")) for name in SPLITS}

    def check(self):
        """A `UserError` where another data set stands in the folder by now: ids would mean other items."""
        if read_meta(self.folder / "train").get("identity") != self.meta.get("identity"):
            raise UserError(f"{self.folder}: another data set is there than when it was opened; prepare it again")

    def histories(self, split="test") -> dict[str, list[str]]:
        """User -> items that a model is shown, oldest first, of a split that is evaluated, in the log's own ids."""
        return self._evaluated(split)[0]

    def targets(self, split="test") -> dict[str, list[str]]:
        """User -> items that are to be found, as `histories`."""
        return self._evaluated(split)[1]

    def _evaluated(self, split):
        (users, *parts), _ = read_evaluation(data_files(self.folder / split), self.meta.get("item_count", 2**31 - 1))
        user, item = (read_map(self.folder / f"{name}_map.csv") for name in ("user", "item"))
        names = [user.get(one, str(one)) for one in users.tolist()]
        return [
            {name: [item.get(one, str(one)) for one in items.tolist()] for name, items in zip(names, rows, strict=True)}
            for rows in (np.split(part.values, part.offsets[1:-1]) for part in parts)
        ]

    def cells(self):
        """A row a split."""
        splits = self.meta.get("splits", {})
        rows = [[name, f"{one['users']:,}", f"{one['interactions']:,}"] for name, one in splits.items()]
        return [f"{self.name}, {self.meta.get('item_count', 1) - 1:,} items", "users", "interactions"], rows
