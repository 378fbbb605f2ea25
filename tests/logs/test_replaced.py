"""Preparing a data set again never drops in silence what the last one had."""

import numpy as np
import pytest
import yaml

from tools.preprocess import main

ROWS = [f"u{user},i{(user + time) % 9},{time},c{(user + time) % 9 % 3}" for user in range(30) for time in range(9)]


@pytest.fixture
def prepare(tmp_path):
    (tmp_path / "log.csv").write_text("\n".join(["user,item,time,shop", *ROWS]))

    def call(*options):
        columns = [word for name in ("user", "item", "time") for word in (f"--{name}", name)]
        main(["table", str(tmp_path / "log.csv"), *columns, "--output", str(tmp_path / "data"), *options])
        return tmp_path / "data"

    return call


def test_the_same_again_is_the_same(prepare):
    before = {path: path.read_bytes() for path in prepare("--category", "shop").rglob("*.*") if path.is_file()}
    prepare("--category", "shop")
    assert {path: path.read_bytes() for path in before} == before


def test_attributes_and_categories_are_not_dropped_unsaid(prepare, capsys, caplog):
    folder = prepare("--category", "shop")
    (folder / "notes.txt").write_text("mine")
    with np.load(folder / "item_attributes.npz") as arrays:
        titles = {name.replace("shop.", "title."): array for name, array in arrays.items()}
        np.savez(folder / "item_attributes.npz", **arrays, **titles)
    with pytest.raises(SystemExit) as end:
        prepare("--category", "shop")
    assert end.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"{folder}: has item_attributes.npz:title, notes.txt, which this preparation would drop; give the" in error
    with pytest.raises(SystemExit):
        prepare()
    assert "category_map.csv, item_attributes.npz:shop, item_attributes.npz:title, item_category.npy" in (
        capsys.readouterr().err
    )
    assert (folder / "notes.txt").read_text() == "mine"
    prepare("--overwrite")
    assert "dropped with the data set that is replaced: category_map.csv" in caplog.text
    assert not (folder / "item_category.npy").exists()
    assert yaml.safe_load((folder / "meta.yaml").read_text())["identity"]["item_map"]
