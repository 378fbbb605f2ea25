"""Add items without interactions to an export.

Example: python -m tools.add_items new.jsonl -m config.yaml --output export

FILE has JSON lines {"item": "sku9", "features": {"brand": ["x"], "genres": ["Action"]}}, items in the user's own ids.
A new item's vector is computed from its features alone, so the model must have been trained with
hyper_parameters.item_features. From then on the item is recommended like any other and may occur in histories.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import paddle

from models import MODELS
from tools.common import checksums, progress, unpickle
from tools.common.errors import UserError, command
from tools.common.files import atomic_folder, read_text
from tools.common.ragged import Ragged, ragged
from tools.config.load import Config, add_arguments, load_config
from tools.data.dataset import read_map, write_map
from tools.data.features import Features, item_features, write_attributes
from tools.export import onnx_converter, save_tower
from tools.retrieval.index import store
from tools.retrieval.milvus import LITE
from tools.serving import exported
from tools.serving.histories import is_id, number_values, read_object, read_values
from tools.training import agreement, runtime
from tools.training.dygraph import DygraphModel

FORM = '{"item": "sku9", "features": {"brand": ["x"]}}'


class NewItems(NamedTuple):
    """Items of a file, in its order."""

    names: list[str]  # the user's own ids
    token: Ragged  # row n·F + f: numbers of the values of feature f of new item n
    unknown: int  # values that the model doesn't know


@command
def main(argv=None):
    """Read new items, write the export with them in its place."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="FILE", help="the new items, JSON lines")
    add_arguments(parser)
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="the export; default: <model_save_path>/export")
    args = parser.parse_args(argv)
    settings = load_config(args.config_yaml, args.opt, MODELS)
    folder = args.output or Path(settings.runner.model_save_path) / "export"
    with progress.logging_to_terminal():
        first, items = add_items(folder, args.file, settings)
    last = first + len(items.names) - 1
    print(f"{len(items.names)} items added to {folder} as {first} to {last}; {items.unknown} unknown values skipped")


def add_items(folder, file, given: Config) -> tuple[int, NewItems]:
    """Replace an export by one with the items of a file, or leave it as it is.

    Args:
        folder: what `tools.export` wrote, or this function.
        file: the new items.
        given: the configuration that the model is thought to be trained with.

    Returns:
        The id of the first new item, and the items.

    Raises:
        UserError: for a folder that is no whole export of a model with item features, hyper-parameters other than the
            model's, and each line that is no new item.
    """
    folder = Path(folder)
    settings, known = open_export(folder, given)
    runtime.prepare(use_gpu=False, seed=settings.runner.seed)
    first = len(np.load(folder / "item_vectors.npy", mmap_mode="r"))
    names = read_map(folder / "item_map.csv") or {item: str(item) for item in range(1, first)}
    hyper = settings.hyper_parameters
    items = read_items(file, dict(zip(hyper.item_features, known.texts, strict=True)), set(names.values()))
    to_onnx = onnx_converter() if (folder / "user_tower.onnx").is_file() else None
    grown = exported.with_items(settings, first + len(items.names))
    with atomic_folder(folder) as new:
        shutil.copytree(folder, new, dirs_exist_ok=True, ignore=shutil.ignore_patterns(f"*{LITE}*"))
        rows = np.arange(1, first + len(items.names))
        write_attributes(new / "item_attributes.npz", hyper.item_features, append(known, first, items), rows)
        model = grow(within(grown, new), unpickle.read(folder / "rec.pdparams"))
        paddle.save(model.state_dict(), str(new / "rec.pdparams"))
        save_tower(model, new / "user_tower", to_onnx)
        write_vectors(model, settings.runner, folder, new, first)
        write_map(new / "item_map.csv", ("item", "original"), (names | dict(enumerate(items.names, first))).items())
        grown.save(new / exported.CONFIG)
        checksums.write(new)
    return first, items


def open_export(folder, given: Config) -> tuple[Config, Features]:
    """The configuration of an export and its items' features; a `UserError` where it cannot be added to."""
    settings, trained = exported.read(folder)
    agreement.check(folder, trained, given)
    features = item_features(within(settings, folder))
    if features is None:
        raise UserError(
            f"{folder}: its model, {settings.hyper_parameters.model}, was trained on ids alone, which say nothing of "
            "new items; set hyper_parameters.item_features and train again"
        )
    return settings, features


def within(settings: Config, folder) -> Config:
    """A configuration that reads features from an export."""
    return replace(settings, runner=replace(settings.runner, train_data_dir=str(Path(folder) / "train")))


def read_items(file, texts, taken) -> NewItems:
    """New items of JSON lines.

    Args:
        file: the lines.
        texts: feature -> its values, in the order of their numbers.
        taken: the user's own ids of the items that the export has.

    Raises:
        UserError: one line for each line that is no new item.
    """
    numbers = number_values(texts)
    slots: list[list[int]] = []
    lines: dict[str, int] = {}  # item -> where it stands
    errors, unknown = [], 0
    for line, text in enumerate(read_text(file).split("\n"), 1):
        if not text.strip():
            continue
        try:
            item, features = read_item(text)
            if item in taken or item in lines:
                where = f"stands on line {lines[item]} too" if item in lines else "is known already"
                raise ValueError(f"item {item!r} {where}; remove the line")
            lines[item] = line
            token = [[own[one] for one in features.get(name, ()) if one in own] for name, own in numbers.items()]
            if not any(token):
                wanted = f"give it one of {', '.join(texts)}"
                raise ValueError(f"item {item!r} has neither clicks nor a feature that the model knows; {wanted}")
        except ValueError as error:
            errors.append(f"{file}:{line}: {error}")
            continue
        slots += token
        unknown += sum(len(features.get(name, ())) for name in texts) - sum(map(len, token))
    if errors or not lines:
        raise UserError("\n       ".join(errors) or f"{file}: no items; give JSON lines like {FORM}")
    values = np.array([number for one in slots for number in one], np.int64)
    return NewItems(list(lines), ragged([len(one) for one in slots], values), unknown)


def read_item(text) -> tuple[str, dict[str, list[str]]]:
    """The user's own id of a JSON line's item, and its features; a `ValueError` for anything else."""
    row = read_object(text)
    if row is None or not is_id(row.get("item")):
        raise ValueError(f"{text.strip()[:80]!r} is not a line like {FORM}; correct or remove it")
    return str(row["item"]), read_values(row.get("features"), "features")


def append(features: Features, first, items: NewItems) -> Features:
    """Features of all items, the new ones at row `first` and after it."""
    values, lengths = features.of(np.arange(first))
    lengths = np.concatenate([lengths, items.token.lengths])
    return Features(features.texts, ragged(lengths, np.concatenate([values, items.token.values])))


def grow(settings: Config, state):
    """The model of a configuration, its items past the saved table made of their features.

    Args:
        settings: the configuration, with all items.
        state: parameters of the model with fewer items.
    """
    model = DygraphModel().create_model(settings)
    table = paddle.to_tensor(state["item_table.weight"])
    state["item_table.weight"] = model.item_table.weight  # which is longer
    model.set_state_dict(state)
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
    vectors = np.concatenate([np.load(old / "item_vectors.npy"), added])
    np.save(new / "item_vectors.npy", vectors)
    store(runner).grow(new, vectors, first)
    if (old / "item_category.npy").is_file():
        category = np.load(old / "item_category.npy")
        none = np.full(len(vectors) - len(category), -1, category.dtype)
        np.save(new / "item_category.npy", np.concatenate([category, none]))


if __name__ == "__main__":
    main()
