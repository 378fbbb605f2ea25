"""Where a training run stands, and which of its checkpoints it goes on from."""

import logging
from dataclasses import dataclass
from pathlib import Path

from tools.common import checksums, ranks, replacing
from tools.common.errors import UserError
from tools.common.lock import Lock
from tools.config.load import Config
from tools.data import identity
from tools.data.features import feature_files
from tools.data.identity import Identity
from tools.training import agreement, checkpoint, runs, sound

# What an interrupted run cannot go on without, beside the hyper-parameters.
MUST_AGREE = ["runner.seed", "runner.train_batch_size", "runner.compiled"]


@dataclass
class RunState:
    """Where a run stands. Batches and draws follow from the seed and these numbers, so no generator is kept."""

    epoch: int = 0  # of the next batch, from 0
    batch: int = 0  # the next one of that epoch, from 0
    step: int = 0  # steps done
    evaluated: int = 0  # steps done at the last evaluation
    best: float | None = None  # best_metric of the best step
    unimproved: int = 0  # evaluations since then
    batches: int = 0  # an epoch
    processes: int = 1  # that train together


def find(config: Config) -> Path | None:
    """The checkpoint that a run goes on from, None for one that begins.

    To be called before data is read, since data may not fit where the settings are not those of the checkpoint.

    Raises:
        UserError: for a checkpoint of another model or data set, where a run cannot be resumed with other settings,
            with a line and both values for each, where a folder holds a run that is neither resumed nor overwritten, or
            where it holds checkpoints and all are damaged.
    """
    runner = config.runner
    recover(runner.model_save_path)
    ranks.wait_for_first()
    if runner.resume == "auto":
        if folder := newest(runner.model_save_path):
            hyper = [key for key in config.flat() if key.startswith("hyper_parameters.")]
            epochs = ["runner.epochs"] if config.hyper_parameters.optimizer.decay != "none" else []
            agreement.check_checkpoint(folder, config, [*hyper, *MUST_AGREE, *epochs])
            return folder
        if (harmed := runs.checkpoints(runner.model_save_path, best=True)) and not runner.overwrite:
            raise UserError(
                f"{harmed[-1]}: damaged, as is each checkpoint beside it; restore one, choose another "
                "runner.model_save_path, or begin anew by runner.overwrite=true"
            )
        logging.info("%s: no checkpoint to resume from; training starts from the beginning", runner.model_save_path)
    if runner.model_init_path:
        agreement.check_checkpoint(runner.model_init_path, config, going_on=True)
    if runner.resume == "none" and not runner.overwrite:
        runs.refuse(runner.model_save_path)
    return None


@ranks.first_only
def hold(root) -> Lock:
    """The lock of a folder of checkpoints, which the first process holds while it trains."""
    return Lock(Path(root) / ".lock", root, shared=True)


def data_identity(config: Config, data, before: Identity) -> Identity:
    """The identity of what a run trains on; a `UserError` where it was replaced while it was read.

    Args:
        config: the configuration.
        data: the reader of the training split.
        before: what `tools.data.identity.read_identity` gave before anything was read.
    """
    if identity.read_identity(agreement.runner_splits(config)) != before:
        raise UserError(f"{before.folder}: was replaced while it was read; start again")
    return identity.with_training(before, data, config.runner.train_data_dir, feature_files(config.features))


def start(folder, config: Config, model, optimizer, batches, origin: Identity | None = None) -> RunState:
    """Fill model and optimizer from what `find` gave, or from `runner.model_init_path`; where the run stands then.

    Args:
        folder: what `find` gave.
        config: the configuration.
        model: the model.
        optimizer: its optimizer; None for a model that brings its own `fit`, which has nothing to go on with.
        batches: of an epoch.
        origin: identity of what the run trains on.

    Raises:
        UserError: see `checkpoint.load`, or where a resumed run has other data.
    """
    state = RunState(batches=batches, processes=ranks.count())
    if folder is None or optimizer is None:
        if config.runner.model_init_path:
            _begin(Path(config.runner.model_init_path), config, model, optimizer)
        return state
    if not (folder / "rec.pdopt").is_file():
        raise UserError(
            f"{folder}: no rec.pdopt here, without which a run cannot go on; go on from its parameters with "
            "runner.model_init_path and runner.resume none"
        )
    checkpoint.load(folder, model, config, optimizer)
    saved = sound.run_state(folder / "state.json", RunState, checkpoint.read_state(folder))
    if (processes := saved["processes"]) != state.processes:
        raise UserError(
            f"{folder}: trained by {processes} processes, now there are {state.processes}; start as many, or go on "
            "from its parameters with runner.model_init_path and runner.resume none"
        )
    state = RunState(**saved)
    _check_data(folder, config, state, batches, origin)
    if state.best is not None and checksums.faults(folder.with_name(checkpoint.BEST)):
        logging.warning("%s: missing or damaged; the next evaluation counts as the best", checkpoint.BEST)
        state.best, state.unimproved = None, 0
    logging.info("resumed from %s: epoch %d, batch %d, step %d", folder, state.epoch, state.batch, state.step)
    return state


def _begin(folder, config, model, optimizer):
    """Start from a checkpoint; a model that brings its own `fit` takes nothing over."""
    if optimizer is not None:
        checkpoint.load(folder, model, config, optimizer, going_on=True)
        return
    checkpoint.check_whole(folder)
    logging.info(
        "%s: %s takes nothing over from it, it is fitted anew on all of %s",
        folder, config.hyper_parameters.model, Path(config.runner.train_data_dir).parent,
    )  # fmt: skip


def _check_data(folder, config, state, batches, origin):
    """A `UserError` where a resumed run has other training data than it began with."""
    if state.batches != batches:
        raise UserError(
            f"{folder}: trained with {state.batches} batches an epoch, {config.runner.train_data_dir} gives {batches}; "
            "give the data that the run began with, or set runner.resume to none"
        )
    carried = identity.read(folder)
    if carried and carried.train and origin and carried.train != origin.train:
        raise UserError(
            f"{folder}: trained on {carried.folder} with training data {carried.train}, {origin.folder} now has "
            f"{origin.train}; give the data that the run began with, or go on from its parameters in another "
            f"runner.model_save_path with runner.model_init_path={folder}"
        )


def newest(root) -> Path | None:
    """The whole checkpoint of a folder with the most steps, None for none; a damaged newer one gets a warning."""
    for folder in reversed(runs.checkpoints(root, best=True)):
        faults = checksums.faults(folder)
        if not faults:
            return folder
        logging.warning("%s is damaged and skipped: %s", folder, "; ".join(faults))
    return None


@ranks.first_only
def prune(root, keep, step):
    """Delete all but the newest `keep` checkpoints that the run wrote, `best` not counted; 0 keeps all.

    What has more than `step` steps was passed over when the run was resumed, and is not counted.
    """
    own = [one for one in runs.checkpoints(root) if runs.is_own(one) and runs.place(one)[0] <= step]
    for folder in own[:-keep] if keep else ():
        replacing.discard(folder)


@ranks.first_only
def recover(root):
    """Put right what a killed run left while it wrote: the replaced one comes back where the new is not there yet, half
    of a new one goes."""
    replacing.clean(root, runs.NAMES)
