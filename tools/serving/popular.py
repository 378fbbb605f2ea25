"""What those get of whom nothing is known: the most popular items."""

from pathlib import Path

import numpy as np

from tools.common.errors import UserError
from tools.common.files import load_array
from tools.common.written import save_array
from tools.data.dataset import data_files, read_sequences
from tools.retrieval.selection import Selection

NAME = "item_counts.npy"  # in an export: how often each item stands in the training data


def write(folder, settings):
    """Count the training data of an export's model; nothing where it is not there."""
    train, item_count = settings.runner.train_data_dir, settings.hyper_parameters.item_count
    if train and Path(train).is_dir():
        items = read_sequences(data_files(train), item_count).items
        save_array(Path(folder) / NAME, np.bincount(items.values, minlength=item_count))


class Popular:
    """The items of an export by falling count, ties by id; those that nobody had are left out.

    Args:
        folder: of the export; without its counts no item is popular.
        item_count: rows of the item table; items that were added have no count.
    """

    def __init__(self, *, folder, item_count):
        path, self.counts = Path(folder) / NAME, np.zeros(item_count, np.int64)
        if path.is_file():
            counts = load_array(path, "export it again")
            if counts.ndim != 1 or counts.dtype.kind != "i" or len(counts) > item_count:
                raise UserError(f"{path}: {counts.dtype} {list(counts.shape)} are no counts of items; export it again")
            self.counts[: len(counts)] = counts
        self.items = np.argsort(-self.counts, kind="stable")[: np.count_nonzero(self.counts)]

    def best(self, top_n, exclude, selection: Selection | None) -> list[int]:
        """The `top_n` most popular items that pass.

        Args:
            top_n: N.
            exclude: ids that are left out.
            selection: the items that pass; None: all.
        """
        items = self.items if selection is None else self.items[selection.allowed[self.items]]
        items = items[: top_n + len(exclude)]
        return items[~np.isin(items, exclude)][:top_n].tolist()
