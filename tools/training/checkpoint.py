"""Checkpoints in PaddleRec's layout, `<model_save_path>/<epoch>/rec.pdparams`, each with its configuration."""

import json
import logging
import shutil
import time
from functools import partial
from pathlib import Path

import numpy as np
import paddle

from tools.common import checksums, ranks, replacing, unpickle
from tools.common.errors import UserError
from tools.common.files import atomic_folder, load_arrays
from tools.common.regular import read_regular
from tools.config.load import Config
from tools.data import identity
from tools.data.features import vocabulary
from tools.training import agreement, paddlerec, rows, sound

BEST = "best"
LARGEST_STATE = 1 << 20  # bytes of state.json
VOCABULARY = "features.npz"  # the values of each feature, in the order of their rows in the model's tables


@ranks.first_only
def save(folder, model, optimizer, config: Config, state: dict, origin: identity.Identity | None = None):
    """Write parameters, optimizer, resolved configuration and `state.json` (epoch, step, metrics), or nothing.

    A model that brings its own `fit` has no optimizer, None. `origin` is the identity of the data set.
    For a model with features also `features.npz`, see `tools.data.features.vocabulary`; last SHA256SUMS.
    """
    with atomic_folder(folder) as temporary:
        paddle.save(model.state_dict(), str(temporary / "rec.pdparams"))
        if optimizer is not None:
            paddle.save(_rename(optimizer.state_dict(), _names(model)), str(temporary / "rec.pdopt"))
        config.save(temporary / "config.yaml")
        if texts := vocabulary(config.features):
            np.savez(temporary / VOCABULARY, **texts)  # type: ignore[arg-type]
        if origin is not None:
            identity.write(temporary, origin)
            _copy_map(temporary, origin)
        state = {**state, "written": time.time()}
        (temporary / "state.json").write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        checksums.write(temporary)


def _copy_map(folder, origin):
    """The item map goes along, since its data set may be replaced by the next one while a run trains."""
    if not origin.item_map:
        return
    if path := identity.find_map(origin.folder, origin):
        shutil.copyfile(path, folder / identity.MAP)
    if identity.map_digest(folder) != origin.item_map:
        (folder / identity.MAP).unlink(missing_ok=True)
        logging.warning("%s: was replaced since training began; the checkpoint goes without it", origin.folder)


def load(folder, model, config: Config, optimizer=None, *, going_on=False):
    """Fill a model, and an optimizer where given, from a checkpoint; nothing in its files is executed.

    Args:
        folder: of the checkpoint.
        model: what is filled.
        config: the configuration.
        optimizer: what is filled, too.
        going_on: see `tools.data.identity.check`.

    Raises:
        UserError: where there is none or it is damaged, its hyper-parameters differ from the configuration's, with both
            values, it was trained on another data set, or a feature has other values there than it was trained with.
    """
    replacing.read_whole(folder, partial(_load, Path(folder), model, config, optimizer, going_on))
    identity.warn_unknown(folder, identity.read(folder))


def check_whole(folder):
    """A `UserError` where a folder is no checkpoint, or a damaged one."""
    if not (folder / "rec.pdparams").is_file():
        raise UserError(f"{folder}: no rec.pdparams here; train first: python trainer.py -m config.yaml")
    if (folder / checksums.NAME).is_file() and (faults := checksums.faults(folder)):  # other programs' have no sums
        raise UserError(f"{folder}: damaged, {'; '.join(faults)}; use another checkpoint or a copy")


def _load(folder, model, config, optimizer, going_on):
    check_whole(folder)
    agreement.check_checkpoint(folder, config, going_on=going_on)
    moved = None
    if going_on:
        moved = rows.find(folder, config, folder / VOCABULARY)
    else:
        _check_vocabulary(folder, config)
    ours = fill(model, folder / "rec.pdparams", moved and partial(moved.take, seed=config.runner.seed))
    if optimizer is not None and ours and (folder / "rec.pdopt").is_file():  # moments of other names would be lost
        fill_optimizer(optimizer, model, folder / "rec.pdopt", moved and moved.take_moments)
    if moved:
        moved.begin(model, folder)


def fill(model, path, move=None) -> bool:
    """Set a model's parameters from a file; a `UserError` that names one that is missing or of another shape.

    Gives whether they have our names; PaddleRec's are taken for them. `move` brings the rows of tables where a new run
    has them.
    """
    state = unpickle.read(path)
    theirs = paddlerec.is_theirs(state)
    state = paddlerec.translate(state, path) if theirs else state
    if move:
        move(state)
    model.set_state_dict(matching(state, model, path))
    return not theirs


def matching(state, model, path) -> dict:
    """A state with the model's parameters in the model's type; errors as `fill`."""
    for name, own in model.state_dict().items():
        found, wanted = getattr(state.get(name), "shape", None), list(own.shape)
        if found is None or list(found) != wanted:
            raise UserError(
                f"{path}: {name} is {found and list(found)}, {type(model).__name__} has {wanted}; use its checkpoint"
            )
        state[name] = sound.numbers(path, name, state[name], str(own.dtype).rpartition(".")[2])
    return state


def fill_optimizer(optimizer, model, path, move=None):
    """Set what an optimizer kept from a file; a `UserError` where something of a parameter is missing or no number.

    Args:
        optimizer: what is filled.
        model: whose parameters it updates.
        path: of the file.
        move: brings the rows of tables where a new run has them; its learning rate begins anew.
    """
    shapes, state = {name: list(one.shape) for name, one in model.named_parameters()}, unpickle.read(path)
    if move:
        rate = {key: one for key, one in optimizer.state_dict().items() if key == sound.RATE}
        state = {key: one for key, one in state.items() if key != sound.RATE} | rate
        move(state)
    state = sound.optimizer_state(path, state, shapes, type(optimizer).__name__)
    automatic = {structured: name for name, structured in _names(model).items()}
    optimizer.set_state_dict(_rename(state, automatic))


def _names(model):
    """Automatic name -> structured name of each parameter. The automatic one depends on what was built before."""
    return {parameter.name: structured for structured, parameter in model.named_parameters()}


def _rename(state, names):
    """An optimizer's state with `<name>_moment1_0` and the like under other names of the parameters."""
    renamed = {}
    for key, value in state.items():
        name = next((name for name in names if key.startswith(name + "_")), None)
        renamed[key if name is None else names[name] + key[len(name) :]] = value
    return renamed


def _check_vocabulary(folder, config):
    """A feature's value is a number to the model, so the same number must be the same value."""
    if not (folder / VOCABULARY).is_file():
        return
    then = load_arrays(folder / VOCABULARY, "train again")
    for name, texts in vocabulary(config.features).items():
        if not np.array_equal(texts, then.get(name, ())):
            kind, _, feature = name.partition(".")
            raise UserError(
                f"{folder}: trained with other values of the {kind} feature {feature} than "
                f"{config.features.folder} has; prepare the data set as for training, or train again"
            )


def folders(config: Config) -> list[Path]:
    """Checkpoints that `infer.py` evaluates: epochs `infer_start_epoch` to before `infer_end_epoch`, or the best."""
    runner = config.runner
    root = Path(runner.infer_load_path or runner.model_save_path)
    if runner.infer_start_epoch is None and runner.infer_end_epoch is None:
        return [root / BEST]
    start = runner.infer_start_epoch or 0
    return [root / str(epoch) for epoch in range(start, runner.infer_end_epoch or start + 1)]


def single(config: Config) -> Path:
    """The one checkpoint that `folders` gives; a `UserError` where the configuration names several."""
    named = folders(config)
    if len(named) > 1:
        raise UserError(
            f"runner.infer_start_epoch and infer_end_epoch name {len(named)} checkpoints and one is taken; "
            "set infer_start_epoch alone, or neither for the best"
        )
    return named[0]


def read_state(folder) -> dict:
    """`state.json` of a checkpoint; empty where it is not readable."""
    try:
        found = json.loads(read_regular(Path(folder) / "state.json", LARGEST_STATE))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
