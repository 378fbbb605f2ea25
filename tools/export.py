"""Export a trained model for serving.

Example: python -m tools.export -m config.yaml
Example: python -m tools.export -m config.yaml -o runner.index=hnsw --output export --onnx

The folder has all that `python -m tools.predict FOLDER` needs:
user_tower.json and .pdiparams (histories to interests), item_vectors.npy, index.faiss, config.yaml, trained.yaml (what
the model was trained with, also after items were added), and, where the data set has them, item_map.csv, user_map.csv,
item_category.npy, category_map.csv and item_title.json. SHA256SUMS shows damage; `sha256sum -c` reads it too.
With --onnx also user_tower.onnx, from
hist_item [B, T] and seq_len [B], int64, to interests [B, K, D], float32, live mask [B, K], bool, and coupling
[B, K, T], float32, in that order: which behaviour feeds which interest.
A model with user features has a third input, context_eb [B, P], float32: the mean vectors of a user's values, feature
after feature. user_attributes.npz has the values, train/query.npz the words of queries, user_features.npy their rows.
A model with item features also writes what `python -m tools.add_items` needs: rec.pdparams and item_attributes.npz.
"""

import argparse
import shutil
import warnings
from pathlib import Path

import numpy as np
import paddle
from paddle import nn
from paddle.static import InputSpec

from models import MODELS
from tools.common import checksums, progress
from tools.common.errors import UserError, command
from tools.common.files import atomic_folder
from tools.common.ragged import ragged
from tools.config.load import Config, add_arguments, load_config
from tools.data import titles
from tools.data.dataset import read_map
from tools.data.features import QUERIES, Features, item_features, user_features, vocabulary, write_attributes
from tools.retrieval.index import store
from tools.serving import exported
from tools.training import agreement, checkpoint, runtime
from tools.training.dygraph import DygraphModel

MAPS = ("item_map.csv", "user_map.csv", "item_category.npy", "category_map.csv")
OPSET = 17  # left to choose, paddle2onnx takes 11 for some models, where ONNX has no power of whole numbers


class UserTower(nn.Layer):
    """What serving runs of a model: ids `[B, T]` and lengths `[B]` to interests `[B, K, D]`, live mask `[B, K]` and
    coupling `[B, K, T]`.

    Args:
        model: one of `models.MODELS`.
    """

    def __init__(self, *, model):
        super().__init__()
        self.model = model
        with paddle.no_grad():
            rows = model.item_rows()  # those of items with features are made once, here
        fixed = nn.initializer.Assign(rows)
        own = model.item_table.weight
        self.rows = own if rows is own else paddle.create_parameter(rows.shape, "float32", default_initializer=fixed)

    def forward(self, hist_item, seq_len, context_eb=None):
        """Interests, which of them may be searched (a dead one is zero), and what they are made of."""
        # A look-up without padding index, since row 0 is zero: ONNX would carry a mask of the size of the table.
        hist_eb = nn.functional.embedding(hist_item, self.rows)  # [B, T, D]
        interests, coupling = self.model.route_rows(hist_eb, seq_len, context_eb)
        return interests, self.model.live_interests(seq_len), coupling


@command
def main(argv=None):
    """Export the best checkpoint, or that of `runner.infer_start_epoch`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: <model_save_path>/export")
    parser.add_argument("--onnx", action="store_true", help="write user_tower.onnx too; needs the extra onnx")
    args = parser.parse_args(argv)
    settings = load_config(args.config_yaml, args.opt, MODELS)
    output = args.output or Path(settings.runner.model_save_path) / "export"
    if output.is_dir() and any(output.iterdir()) and not (output / "user_tower.json").is_file():
        raise UserError(f"{output}: contains something other than an export; choose another --output")
    to_onnx = onnx_converter() if args.onnx else None
    runtime.prepare(use_gpu=False, seed=settings.runner.seed)
    with progress.logging_to_terminal():
        source = export(settings, output, to_onnx)
    print(f"{source} exported to {output}; serve it with: python -m tools.predict {output}")


def export(settings: Config, output, to_onnx=None) -> Path:
    """Write the folder, or nothing.

    Args:
        settings: the configuration.
        output: the folder.
        to_onnx: what converts the program and the parameters to an ONNX file, three paths; None: no ONNX.

    Returns:
        The checkpoint that was exported.

    Raises:
        UserError: for a checkpoint that is missing or of another model, a model without item vectors or ONNX form, and
            id maps of another data set.
    """
    source = checkpoint.single(settings)
    agreement.check_checkpoint(source, settings)
    model = DygraphModel().create_model(settings)
    _check_exportable(model, settings.hyper_parameters.model, to_onnx)
    with progress.stage(f"load {source}"):
        checkpoint.load(source, model, settings)
    with paddle.no_grad():
        vectors = model.item_vectors().numpy()
    with atomic_folder(output) as folder:
        save_tower(model, folder / "user_tower", to_onnx)
        np.save(folder / "item_vectors.npy", vectors)
        store(settings.runner).write(folder, vectors)
        _copy_maps(Path(settings.runner.test_data_dir).parent, folder, settings.hyper_parameters.item_count)
        _write_features(model, folder, settings)
        for name in (exported.CONFIG, exported.TRAINED):
            settings.save(folder / name)
        with progress.stage("checksums"):
            checksums.write(folder)
    return source


def _check_exportable(model, name, to_onnx):
    if model.gives_scores:
        raise UserError(
            f"hyper_parameters.model: {name} scores all items and has no vectors to export; "
            "write its lists with: python infer.py -m config.yaml --recommend FILE"
        )
    if to_onnx and not model.has_onnx:
        raise UserError(f"--onnx: {name} solves systems of equations, which paddle2onnx cannot; export without --onnx")


def save_tower(model, path, to_onnx=None):
    """Write the user tower of a model to `path`.json, `path`.pdiparams and, if asked, `path`.onnx: batches of any size.

    Arguments as in `export`.
    """
    tower = UserTower(model=model)
    tower.eval()
    inputs = [InputSpec([None, model.maxlen], "int64", "hist_item"), InputSpec([None], "int64", "seq_len")]
    if model.context_size:
        inputs.append(InputSpec([None, model.context_size], "float32", "context_eb"))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*'place' interface")  # a question of Paddle's to itself
        with progress.stage("write the user tower"):
            paddle.jit.save(tower, str(path), input_spec=inputs)
    if to_onnx:
        with progress.stage("convert the user tower to ONNX"):
            to_onnx(*(f"{path}.{suffix}" for suffix in ("json", "pdiparams", "onnx")))


def _copy_maps(source, folder, item_count):
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


def _write_features(model, folder, settings):
    """What profiles and new items are embedded with; of the users themselves nothing is written."""
    hyper = settings.hyper_parameters
    if model.context_size:
        np.save(folder / "user_features.npy", model.user_features.table.weight.numpy())
    if users := user_features(settings):
        write_attributes(folder / "user_attributes.npz", hyper.user_features, users, [])
    if hyper.query:
        (folder / "train").mkdir()  # where a data set has it too
        words = Features([vocabulary(settings)["event.query"]], ragged([], np.zeros(0, np.int64)))
        write_attributes(folder / "train" / QUERIES, ["query"], words, [])
    if items := item_features(settings):
        write_attributes(folder / "item_attributes.npz", hyper.item_features, items, np.arange(1, hyper.item_count))
        paddle.save(model.state_dict(), str(folder / "rec.pdparams"))


def onnx_converter():
    """What converts a program and its parameters to an ONNX file, three paths; a `UserError` without the extra."""
    try:
        import paddle2onnx  # type: ignore
    except ImportError:
        raise UserError("--onnx needs an extra; install it with: pip install '.[onnx]'") from None
    # Its tools for a smaller graph are off: one fails on its own pass names, the other may install packages.
    return lambda program, parameters, target: paddle2onnx.export(
        program, parameters, target, opset_version=OPSET, verbose=False, optimize_tool="None"
    )


if __name__ == "__main__":
    main()
