"""What an item is called: its title, its own id, its number."""

import json
import shutil

import exports
import numpy as np
import pytest
from datasets import write_features

from tools import add_items
from tools.common.errors import UserError
from tools.data.titles import NAME, titles
from tools.serving import exporter
from tools.training.settings import load_settings

TITLES = ['Léon, "the" professional', "Heat", "", "Heat"]


@pytest.fixture
def dataset(write_dataset):
    """Items a to d."""
    return write_dataset({"u": list("abcd"), "v": list("abcd")})


def test_the_attribute_stands_before_the_own_id_and_that_before_the_number(dataset):
    own = ["", "a", "b", "c", "d"]
    assert titles(dataset) == own
    write_features(dataset, "item", title=[one.split() for one in TITLES], genres=[[]] * 4)
    words = ["", 'Léon, "the" professional', "Heat", "c", "Heat"]
    assert titles(dataset) == words
    assert titles(dataset, 7) == [*words, "5", "6"]
    (dataset / "item_map.csv").unlink()
    assert titles(dataset, 7) == [*words[:3], "3", "Heat", "5", "6"]
    (dataset / "item_attributes.npz").unlink()
    assert titles(dataset, 3) == ["", "1", "2"]


def test_a_title_attribute_that_does_not_fit_is_told(dataset):
    write_features(dataset, "item", title=[["a"]] * 4)
    arrays = dict(np.load(dataset / "item_attributes.npz"))
    np.savez(dataset / "item_attributes.npz", **arrays | {"title.values": arrays["title.values"][:2]})
    with pytest.raises(UserError, match=r"item_attributes\.npz: title: its names, values and offsets don't fit"):
        titles(dataset)


@pytest.mark.parametrize("text", ['{"a": 1}', "[1]", "[", '"x"'])
def test_an_export_s_titles_that_are_none_are_told(text, tmp_path):
    (tmp_path / NAME).write_text(text)
    with pytest.raises(UserError, match=rf"{NAME}: not as tools.export writes it \(.*\); export it again"):
        titles(tmp_path)


@pytest.mark.slow
def test_an_export_brings_the_titles_and_new_items_have_their_own_id(tmp_path, capsys):
    best = exports.make(tmp_path)
    config, folder, rows = load_settings(best), tmp_path / "out/export", exports.V - 1
    assert not (folder / NAME).exists()
    assert titles(folder) == titles(tmp_path / "data")
    kinds = [[f"k{item % 4}"] for item in range(rows)]
    names = [f"Film {item}" for item in range(rows)]
    write_features(tmp_path / "data", "item", kind=kinds, title=[[one] for one in names])
    exporter.export(config, folder)
    shutil.rmtree(tmp_path / "data")
    assert titles(folder) == ["", *names]
    add_items.main([str(tmp_path / "new.jsonl"), "-m", best])
    assert titles(folder) == ["", *names, "new"]
    assert json.loads((folder / NAME).read_text(encoding="utf-8")) == ["", *names]
