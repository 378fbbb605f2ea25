"""An export with items added to it."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle

from tools.common import checksums, replacing, unpickle
from tools.common.errors import UserError
from tools.common.files import atomic_folder, load_array, map_array
from tools.common.ragged import ragged
from tools.common.written import save_array
from tools.config.load import Config
from tools.data import identity
from tools.data.dataset import read_map, write_map
from tools.data.features import Features, item_features, write_attributes
from tools.retrieval.index import store
from tools.retrieval.milvus import LITE
from tools.serving import exported
from tools.serving.new_items import NewItems, TableForm, read_items
from tools.serving.user_tower import onnx_converter, save_tower
from tools.training import agreement, checkpoint, runtime, sound
from tools.training.dygraph import DygraphModel


def add_items(folder, file, given: Config, form: TableForm | None = None) -> tuple[int, NewItems]:
    """Replace an export by one with the items of a file, or leave it as it is.

    Args:
        folder: what `tools.export` wrote, or this function.
        file: the new items.
        given: the configuration that the model is thought to be trained with.
        form: of a CSV; None: the file has JSON lines.

    Returns:
        The id of the first new item, and the items.

    Raises:
        UserError: for a folder that is no whole export of a model with item features, hyper-parameters other than the
            model's, and each line that is no new item.
    """
    replacing.restore(folder)
    with replacing.writing(folder):  # from the reading on, so that no other's items are lost
        return _add_items(Path(folder), file, given, form)


def _add_items(folder, file, given, form):
    settings, known = open_export(folder, given)
    runtime.prepare(use_gpu=False, seed=settings.runner.seed)
    first = len(map_array(folder / "item_vectors.npy", exported.MADE_AGAIN))
    names = read_map(folder / "item_map.csv") or {item: str(item) for item in range(1, first)}
    hyper = settings.hyper_parameters
    items = read_items(file, dict(zip(hyper.item_features, known.texts, strict=True)), set(names.values()), form)
    to_onnx = onnx_converter() if (folder / "user_tower.onnx").is_file() else None
    grown = exported.with_items(settings, first + len(items.names))
    with atomic_folder(folder) as new:
        shutil.copytree(folder, new, dirs_exist_ok=True, ignore=shutil.ignore_patterns(f"*{LITE}*"))
        rows = np.arange(1, first + len(items.names))
        write_attributes(new / "item_attributes.npz", hyper.item_features, append(known, first, items), rows)
        model = grow(within(grown, new), folder / "rec.pdparams", first)
        paddle.save(model.state_dict(), str(new / "rec.pdparams"))
        save_tower(model, new / "user_tower", to_onnx)
        write_map(new / "item_map.csv", ("item", "original"), (names | dict(enumerate(items.names, first))).items())
        write_vectors(model, settings.runner, folder, new, first)
        grown.save(new / exported.CONFIG)
        write_identity(folder, new)
        checksums.write(new)
    return first, items


def open_export(folder, given: Config) -> tuple[Config, Features]:
    """The configuration of an export and its items' features; a `UserError` where it cannot be added to."""
    settings, trained = exported.read(folder)
    agreement.check(folder, trained, given)
    exported.check_data(folder, agreement.runner_splits(given))
    features = item_features(within(settings, folder).features)
    if features is None:
        raise UserError(
            f"{folder}: its model, {settings.hyper_parameters.model}, was trained on ids alone, which say nothing of "
            "new items; set hyper_parameters.item_features and train again"
        )
    return settings, features


def write_identity(old, new):
    """That of the grown item map, which still says whose ids it goes on from."""
    carried = identity.read(old)
    if carried:
        base = (carried.item_map,) if carried.item_map else ()
        identity.write(new, carried._replace(item_map=identity.map_digest(new), bases=(*carried.bases, *base)))


def within(settings: Config, folder) -> Config:
    """A configuration that reads features from an export."""
    return replace(settings, runner=replace(settings.runner, train_data_dir=str(Path(folder) / "train")))


def append(features: Features, first, items: NewItems) -> Features:
    """Features of all items, the new ones at row `first` and after it."""
    values, lengths = features.of(np.arange(first))
    lengths = np.concatenate([lengths, items.token.lengths])
    return Features(features.texts, ragged(lengths, np.concatenate([values, items.token.values])))


def grow(settings: Config, path, first):
    """The model of a configuration, its items past the saved table made of their features.

    Args:
        settings: the configuration, with all items.
        path: of the parameters of the model with fewer items.
        first: how many.
    """
    model, state = DygraphModel().create_model(settings), unpickle.read(path)
    whole = model.item_table.weight.numpy()
    saved = getattr(state.get("item_table.weight"), "shape", None)
    if saved != (first, whole.shape[1]):
        raise UserError(f"{path}: the item table is {saved}, not {(first, whole.shape[1])}; {exported.MADE_AGAIN}")
    table = paddle.to_tensor(sound.numbers(path, "item_table.weight", state["item_table.weight"]))
    state["item_table.weight"] = whole  # which is longer
    model.set_state_dict(checkpoint.matching(state, model, path))
    with paddle.no_grad():
        side, present = model.item_table.side(paddle.arange(len(table), model.item_count))  # [N, D], [N]
        # The mean of its features is an item's row if it is its id's own row too: (m + F m) / (1 + F) = m.
        own = side / present.unsqueeze(1)
        model.item_table.weight.set_value(paddle.concat([table, own]))
    model.eval()
    return model


def write_vectors(model, runner, old, new, first):
    """Write an export's index and tables with the items from `first` on added to them.

    Args:
        model: with all items.
        runner: `runner.*` of the configuration.
        old, new: folders.
        first: the first new item.
    """
    with paddle.no_grad():
        added = model.item_vectors().numpy()[first:]
    vectors = np.concatenate([load_array(old / "item_vectors.npy", exported.MADE_AGAIN), added])
    save_array(new / "item_vectors.npy", vectors)
    store(runner).grow(new, vectors, first)
    if (old / "item_category.npy").is_file():
        category = load_array(old / "item_category.npy", exported.MADE_AGAIN)
        none = np.full(len(vectors) - len(category), -1, category.dtype)
        save_array(new / "item_category.npy", np.concatenate([category, none]))
