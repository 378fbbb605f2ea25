"""A checkpoint to the folder that serving needs."""

import shutil
from pathlib import Path

import numpy as np
import paddle

from tools.common import checksums, progress, replacing
from tools.common.errors import UserError
from tools.common.files import atomic_folder
from tools.common.ragged import ragged
from tools.common.written import save_array
from tools.config.load import Config
from tools.data import identity, titles
from tools.data.dataset import read_map
from tools.data.features import QUERIES, Features, item_features, user_features, vocabulary, write_attributes
from tools.retrieval.index import store
from tools.serving import exported, popular
from tools.serving.user_tower import save_tower
from tools.training import agreement, checkpoint
from tools.training.dygraph import DygraphModel

MAPS = (identity.MAP, "user_map.csv", "item_category.npy", "category_map.csv")


def export(settings: Config, output, to_onnx=None) -> Path:
    """Write the folder, or nothing.

    Args:
        settings: the configuration.
        output: the folder.
        to_onnx: what converts the program and the parameters to an ONNX file, three paths; None: no ONNX.

    Returns:
        The checkpoint that was exported.

    Raises:
        UserError: for a checkpoint that is missing or of another model, a model without ONNX form, a folder that holds
            something else, and id maps of another data set.
    """
    output = Path(output)
    if output.is_dir() and any(output.iterdir()) and not (output / "user_tower.json").is_file():
        raise UserError(f"{output}: contains something other than an export; choose another --output")
    with replacing.writing(output):
        return _export(settings, output, to_onnx)


def _export(settings, output, to_onnx):
    source = checkpoint.single(settings)
    agreement.check_checkpoint(source, settings)
    model = DygraphModel().create_model(settings)
    _check_exportable(model, settings.hyper_parameters.model, to_onnx)
    with progress.stage(f"load {source}"):
        checkpoint.load(source, model, settings)
    with atomic_folder(output) as folder:
        save_tower(model, folder / "user_tower", to_onnx)
        if not model.gives_scores:
            with paddle.no_grad():
                vectors = model.item_vectors().numpy()
            save_array(folder / exported.VECTORS, vectors)
        _copy_maps(source, folder, settings)
        if not model.gives_scores:
            store(settings.runner).write(folder, vectors)
        popular.write(folder, settings)
        _write_features(model, folder, settings)
        for name in (exported.CONFIG, exported.TRAINED):
            settings.save(folder / name)
        with progress.stage("checksums"):
            checksums.write(folder)
    return source


def _check_exportable(model, name, to_onnx):
    if to_onnx and not model.has_onnx:
        raise UserError(f"--onnx: {name} has operators that paddle2onnx cannot convert; export without --onnx")


def _copy_maps(checkpoint_folder, folder, settings):
    """The data set's maps, which `check_checkpoint` has found to be the model's, and their identity."""
    origin = identity.read(checkpoint_folder)
    found = identity.read_identity(agreement.runner_splits(settings), files=bool(origin and origin.files))
    source, item_count = Path(settings.runner.test_data_dir).parent, settings.hyper_parameters.item_count
    if found.item_map and not (source / identity.MAP).is_file():
        source = Path(found.folder)
    largest = max(read_map(source / "item_map.csv"), default=0)
    if largest >= item_count:
        raise UserError(
            f"{source / 'item_map.csv'}: item {largest} is not below hyper_parameters.item_count {item_count}; "
            "give the data set that the model was trained on"
        )
    for name in MAPS:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    titles.copy(source, folder)
    if identity.map_digest(folder) != found.item_map:
        raise UserError(f"{found.folder}: was replaced while it was read; start again")
    identity.write(folder, (origin or found)._replace(item_map=found.item_map))


def _write_features(model, folder, settings):
    """What profiles and new items are embedded with; of the users themselves nothing is written."""
    hyper = settings.hyper_parameters
    if model.context_size:
        save_array(folder / "user_features.npy", model.user_features.table.weight.numpy())
    if users := user_features(settings.features):
        write_attributes(folder / "user_attributes.npz", hyper.user_features, users, [])
    if hyper.query:
        (folder / "train").mkdir()  # where a data set has it too
        words = Features([vocabulary(settings.features)["event.query"]], ragged([], np.zeros(0, np.int64)))
        write_attributes(folder / "train" / QUERIES, ["query"], words, [])
    if items := item_features(settings.features):
        write_attributes(folder / "item_attributes.npz", hyper.item_features, items, np.arange(1, hyper.item_count))
        paddle.save(model.state_dict(), str(folder / "rec.pdparams"))
