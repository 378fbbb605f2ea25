"""How popular items are, for what counts on an order by popularity."""

import numpy as np

from tools.data.dataset import read_meta


def of_training(data, split) -> tuple[np.ndarray, np.ndarray | None]:
    """How often each item stands in the training data, `[V + 1]`, and items from the most popular to the least, `[V]`.

    The order is None where ids 1…V are in it: `tools.preprocess` numbers items so. In a data set that extends another
    new items come last however popular they are, and of other programs' folders nothing is known: there the counts
    say, ties by id.

    Args:
        data: the reader of the training split.
        split: its folder.
    """
    count, meta = data.item_counts(), read_meta(split)
    numbered = meta.get("splits") and not meta.get("extends")
    return count, None if numbered else np.argsort(-np.asarray(count)[1:], kind="stable") + 1
