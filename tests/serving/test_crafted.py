"""An export with good checksums whose parts don't belong together: code 2 and one line, whatever a stranger made."""

import shutil

import exports
import faiss
import numpy as np
import pytest

from tools import predict
from tools.common import checksums
from tools.data.dataset import read_map, write_map
from tools.retrieval.index_file import made_of, save


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    exports.make(folder)
    return folder


def vectors(change):
    def harm(folder):
        np.save(folder / "item_vectors.npy", change(np.load(folder / "item_vectors.npy")))

    return harm


def index(items, size):
    def harm(folder):
        made = faiss.IndexFlatIP(size)
        made.add(np.ones((items, size), np.float32))
        save(made, folder / "index.faiss", made_of(folder / "index.faiss"))

    return harm


def one_nan(array):
    array[3, 2] = np.nan
    return array


def mapped(change):
    def harm(folder):
        names = change(read_map(folder / "item_map.csv"))
        write_map(folder / "item_map.csv", ("item", "original"), names.items())

    return harm


def text(name, old, new):
    def harm(folder):
        content = (folder / name).read_bytes()
        assert old in content
        (folder / name).write_bytes(content.replace(old, new))

    return harm


def bytes_of(name, change):
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def arrays(name, **changed):
    return lambda folder: np.savez(folder / name, **changed)


HARMS = {
    "no item": vectors(lambda array: array[:1]),
    "fewer vectors": vectors(lambda array: array[:-1]),
    "more vectors": vectors(lambda array: np.concatenate([array, array])),
    "vectors of float64": vectors(lambda array: array.astype(float)),
    "vectors of another size": vectors(lambda array: array[:, :-1]),
    "one vector": vectors(lambda array: array[0]),
    "a vector that is no number": vectors(one_nan),
    "texts": vectors(lambda array: array.astype(str)),
    "a number": vectors(lambda array: np.float32(1)),
    "objects": bytes_of("item_vectors.npy", lambda data: data.replace(b"'<f4'", b"'|O' ")),
    "a header of terabytes": bytes_of("item_vectors.npy", lambda data: data.replace(b"(31, 8)", b"(9999999999999, 8)")),
    "no index": bytes_of("index.faiss", lambda data: b""),
    "an empty index": index(0, 8),
    "an index of another size": index(30, 7),
    "an index of more items": index(31, 8),
    "an index of another data set": lambda folder: save(
        faiss.read_index(str(folder / "index.faiss")), folder / "index.faiss", f"map {'ab' * 8}"
    ),
    "a map of other items": mapped(lambda names: {item + 1: name for item, name in names.items()}),
    "a map with padding": mapped(lambda names: names | {0: "padding"}),
    "a program that is none": bytes_of("user_tower.json", lambda data: b"{}"),
    "a cut program": bytes_of("user_tower.json", lambda data: data[:-9]),
    "a program of lists": bytes_of("user_tower.json", lambda data: b"[" * 100_000),
    "an operator that writes": text("user_tower.json", b"1.softmax", b"1.save_combine"),
    "an operator that is none": text("user_tower.json", b"1.softmax", b"1.hardmax"),
    "another output": text("user_tower.json", b"1.fetch", b"1.fetched"),
    "cut parameters": bytes_of("user_tower.pdiparams", lambda data: data[:-1]),
    "no parameters": bytes_of("user_tower.pdiparams", lambda data: b""),
    "noise for parameters": bytes_of("user_tower.pdiparams", lambda data: np.random.default_rng(0).bytes(len(data))),
    "parameters that are no numbers": bytes_of("user_tower.pdiparams", lambda data: data[:-200] + b"\xff" * 200),
    "features without values": arrays("user_attributes.npz", other=np.arange(2)),
    "fewer features": lambda folder: np.save(folder / "user_features.npy", np.ones((2, 8), np.float32)),
    "words without offsets": arrays("train/query.npz", **{"query.names": np.array(["a"])}),
    "another maxlen": lambda folder: [
        text(name, b"maxlen: 6", b"maxlen: 7")(folder) for name in ("config.yaml", "trained.yaml")
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", HARMS)
def test_parts_that_do_not_belong_together_are_told(name, whole, tmp_path, capsys):
    folder = shutil.copytree(whole / "out/export", tmp_path / "export")
    HARMS[name](folder)
    checksums.write(folder)
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        predict.main([str(folder), str(whole / "histories.jsonl"), "--top_n", "3"])
    told = capsys.readouterr()
    assert (end.value.code, told.out) == (2, ""), told.err
    assert told.err.startswith(f"error: {folder}")
    assert told.err.count("\n") == 1, told.err
