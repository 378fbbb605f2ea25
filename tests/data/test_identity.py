"""A data set's identity: the same items and training rows give the same, any other item or row another."""

import logging
import shutil

import numpy as np
import pytest
import yaml

from reader import RecDataset
from tools.common.errors import UserError
from tools.common.ragged import ragged
from tools.data import identity
from tools.data.dataset import write_split
from tools.data.identity import Identity

USERS = {f"u{user}": [f"i{(user * 3 + item) % 17}" for item in range(9)] for user in range(40)}


def splits(folder):
    return [folder / name for name in ("train", "valid", "test")]


def test_meta_yaml_has_it_and_a_reader_of_the_files_finds_it(write_dataset, settings, tmp_path):
    folder = write_dataset(USERS)
    meta = yaml.safe_load((folder / "meta.yaml").read_text())["identity"]
    found = identity.read_identity(splits(folder))
    assert found.item_map == meta["item_map"]
    assert found.folder == str(folder)
    assert "log.txt" in found.told
    config = settings(folder, item_count=18, min_history=2)
    read = identity.with_training(found, RecDataset([str(folder / "train/interactions.csv")], config), "", [])
    assert read.train == meta["train"]
    (folder / "train/items.npy").unlink()  # the text is read in the arrays' place
    read = identity.with_training(found, RecDataset([str(folder / "train/interactions.csv")], config), "", [])
    assert read.train == meta["train"]


def test_another_item_or_another_row_is_another(write_dataset):
    meta = [
        yaml.safe_load((write_dataset(users) / "meta.yaml").read_text())["identity"]
        for users in (USERS, USERS, USERS | {"u3": [*USERS["u3"][::-1]]}, USERS | {"u3": ["new", *USERS["u3"]]})
    ]
    assert meta[0] == meta[1]
    assert meta[0]["train"] != meta[2]["train"]
    assert meta[0]["item_map"] != meta[3]["item_map"]


def test_a_map_that_was_edited_or_is_gone_is_refused(write_dataset):
    folder = write_dataset(USERS)
    path = folder / "item_map.csv"
    path.write_text(path.read_text().replace("1,i", "1,j", 1))
    with pytest.raises(UserError, match=r"item_map.csv: changed since the data set was prepared \(now \w+, then \w+\)"):
        identity.read_identity(splits(folder))
    path.unlink()
    with pytest.raises(UserError, match=r"item_map.csv: missing, so ids may mean other items; restore it, or prepare"):
        identity.read_identity(splits(folder))


def test_splits_of_two_data_sets_are_refused_where_their_maps_differ(write_dataset, tmp_path):
    folder = write_dataset(USERS)
    shutil.copytree(folder, tmp_path / "same")
    assert identity.read_identity([folder / "train", tmp_path / "same/test"]).item_map
    shutil.copytree(write_dataset(USERS | {"u3": ["new"] * 9}), tmp_path / "other")
    with pytest.raises(UserError, match=r"the splits are of two data sets, \S+same \(.* and \S+other \(.* an id means"):
        identity.read_identity([tmp_path / "same/train", tmp_path / "other/test"])


def rows(folder, text):
    for name in ("train", "test"):
        (folder / name).mkdir(parents=True)
        (folder / name / "part").write_text(text)
    return folder


def test_folders_without_a_map_have_one_of_what_they_hold(tmp_path):
    one, same, other = (rows(tmp_path / name, text) for name, text in (("a", "1,5,1"), ("b", "1,5,1"), ("c", "1,6,1")))
    found = [identity.read_identity(splits(one)).files for one in (one, same, other)]
    assert found[0] == found[1] != found[2]
    (one / "item_map.csv").write_text("item,original\n5,a\n")
    later = identity.read_identity(splits(one), files=True)  # of a checkpoint that was trained before there was a map
    assert (later.files, bool(later.item_map)) == (found[0], True)
    identity.check("best", Identity(files=found[0]), later)


def test_arrays_without_text_or_map(tmp_path):
    write_split(tmp_path / "train", np.arange(2), ragged([1, 1], np.array([1, 2])), np.arange(2))
    assert identity.read_identity(splits(tmp_path)).files


MAP, FILES = Identity("a", "x.csv", item_map="1" * 16), Identity("a", files="2" * 16)


@pytest.mark.parametrize(
    "carried, found, fits",
    [
        (MAP, MAP._replace(folder="b"), True),
        (MAP, MAP._replace(item_map="3" * 16), False),
        (MAP, Identity("b", files="2" * 16), False),  # the map is gone
        (MAP._replace(item_map="4" * 16, bases=("1" * 16,)), MAP, True),  # items were added
        (MAP, MAP._replace(item_map="4" * 16, bases=("1" * 16,)), False),
        (FILES, FILES._replace(folder="b"), True),
        (FILES, FILES._replace(files="3" * 16), False),
        (MAP, Identity(), True),  # there is nothing to compare
    ],
)
def test_what_belongs_together(carried, found, fits):
    if fits:
        identity.check("out/best", carried, found)
        return
    with pytest.raises(UserError) as error:
        identity.check("out/best", carried, found)
    assert all(part in str(error.value) for part in ("out/best: ", carried.told, found.told, "; give "))


def test_without_a_map_new_files_are_gone_on_with_and_told(caplog):
    identity.check("out/best", FILES, FILES._replace(files="3" * 16), going_on=True)
    assert "right if ids mean the same" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


def test_it_is_read_as_it_was_written(tmp_path):
    one = Identity("ä", "x.csv", "1", None, "2", ("3", "4"))
    identity.write(tmp_path, one)
    assert identity.read(tmp_path) == one
    assert identity.read(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "content", ["", "[]", '{"more": "x"}', '{"item_map": 3}', '{"bases": 1}', "\0", '{"bases": [1]}']
)
def test_a_file_that_is_none_is_refused(content, tmp_path):
    (tmp_path / identity.NAME).write_text(content)
    with pytest.raises(UserError, match=r"identity.json\S* "):
        identity.read(tmp_path)
