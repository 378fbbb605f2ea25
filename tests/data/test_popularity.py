"""Who is popular: ids where a data set numbers items so, counts where it does not."""

from types import SimpleNamespace

import numpy as np
import pytest

from tools.data import popularity

COUNT = np.array([0, 3, 9, 3, 12])
DATA = SimpleNamespace(item_counts=lambda: COUNT)


@pytest.mark.parametrize(
    "meta, order",
    [
        ("splits: {train: {users: 1}}\n", None),
        ("splits: {train: {users: 1}}\nextends: {folder: old}\n", [4, 2, 1, 3]),
        ("protocol: mind\n", [4, 2, 1, 3]),  # a word on another program's folders
        (None, [4, 2, 1, 3]),
    ],
)
def test_counts_say_it_where_numbers_do_not(meta, order, tmp_path):
    if meta is not None:
        (tmp_path / "meta.yaml").write_text(meta)
    count, found = popularity.of_training(DATA, tmp_path / "train")
    assert count is COUNT
    assert (None if found is None else found.tolist()) == order
