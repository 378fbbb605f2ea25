"""Checkpoints in PaddleRec's layout, `<model_save_path>/<epoch>/rec.pdparams`, each with its configuration."""

import json
import time
from pathlib import Path

import numpy as np
import paddle

from tools.common import checksums, ranks, unpickle
from tools.common.errors import UserError
from tools.common.files import atomic_folder, load_arrays
from tools.config.load import Config
from tools.data.features import vocabulary
from tools.training import agreement, paddlerec

BEST = "best"
VOCABULARY = "features.npz"  # the values of each feature, in the order of their rows in the model's tables


@ranks.first_only
def save(folder, model, optimizer, config: Config, state: dict):
    """Write parameters, optimizer, resolved configuration and `state.json` (epoch, step, metrics), or nothing.

    A model that brings its own `fit` has no optimizer, None.
    For a model with features also `features.npz`, see `tools.data.features.vocabulary`; last SHA256SUMS.
    """
    with atomic_folder(folder) as temporary:
        paddle.save(model.state_dict(), str(temporary / "rec.pdparams"))
        if optimizer is not None:
            paddle.save(_rename(optimizer.state_dict(), _names(model)), str(temporary / "rec.pdopt"))
        config.save(temporary / "config.yaml")
        if texts := vocabulary(config.features):
            np.savez(temporary / VOCABULARY, **texts)  # type: ignore[arg-type]
        state = {**state, "written": time.time()}
        (temporary / "state.json").write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        checksums.write(temporary)


def load(folder, model, config: Config, optimizer=None):
    """Fill a model, and an optimizer where given, from a checkpoint; nothing in its files is executed.

    Raises:
        UserError: where there is none or it is damaged, its hyper-parameters differ from the configuration's, with both
            values, or a feature has other values in the data set than it was trained with.
    """
    folder = Path(folder)
    if not (folder / "rec.pdparams").is_file():
        raise UserError(f"{folder}: no rec.pdparams here; train first: python trainer.py -m config.yaml")
    if (folder / checksums.NAME).is_file() and (faults := checksums.faults(folder)):  # other programs' have no sums
        raise UserError(f"{folder}: damaged, {'; '.join(faults)}; use another checkpoint or a copy")
    agreement.check_checkpoint(folder, config)
    _check_vocabulary(folder, config)
    fill(model, folder / "rec.pdparams")
    if optimizer is not None and (folder / "rec.pdopt").is_file():
        _fill_optimizer(optimizer, model, folder)


def fill(model, path):
    """Set a model's parameters from a file; a `UserError` that names one that is missing or of another shape."""
    state = unpickle.read(path)
    if paddlerec.is_theirs(state):
        state = paddlerec.translate(state, path)
    for name, own in model.state_dict().items():
        found, wanted = getattr(state.get(name), "shape", None), list(own.shape)
        if found is None or list(found) != wanted:
            raise UserError(
                f"{path}: {name} is {found and list(found)}, {type(model).__name__} has {wanted}; use its checkpoint"
            )
    model.set_state_dict(state)


def _fill_optimizer(optimizer, model, folder):
    if paddlerec.is_theirs(unpickle.read(folder / "rec.pdparams")):
        return  # its moments are of other names and shapes: the optimizer begins anew
    automatic = {structured: name for name, structured in _names(model).items()}
    optimizer.set_state_dict(_rename(unpickle.read(folder / "rec.pdopt"), automatic))


def _names(model):
    """Automatic name -> structured name of each parameter. The automatic one hangs on what was built before."""
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
        found = json.loads((Path(folder) / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
