"""Where a training run stands, and which of its checkpoints it goes on from."""

import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tools.common import checksums, ranks
from tools.common.errors import UserError
from tools.config.load import Config
from tools.training import agreement, checkpoint, sound

NUMBERED = re.compile(r"\d+|step-\d+")  # a whole epoch, a step within one
ANY = re.compile(rf"{NUMBERED.pattern}|{checkpoint.BEST}")
UNFINISHED = re.compile(
    rf"\.({ANY.pattern})-\w{{8}}(-old)?"
)  # how `tools.common.files.atomic_folder` calls what it writes
# What an interrupted run cannot go on without, beside the hyper-parameters.
MUST_AGREE = ["runner.seed", "runner.train_batch_size"]


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
        UserError: for a checkpoint of another model, or where a run cannot be resumed with other settings, with a line
            and both values for each.
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
        logging.info("%s: no checkpoint to resume from; training starts from the beginning", runner.model_save_path)
    if runner.model_init_path:
        agreement.check_checkpoint(runner.model_init_path, config)
    return None


def start(folder, config: Config, model, optimizer, batches) -> RunState:
    """Fill model and optimizer from what `find` gave, or from `runner.model_init_path`; where the run stands then.

    Args:
        folder: what `find` gave.
        config: the configuration.
        model: the model.
        optimizer: its optimizer; None for a model that brings its own `fit`, which has nothing to go on with.
        batches: of an epoch.

    Raises:
        UserError: see `checkpoint.load`, or where a resumed run has other data.
    """
    state = RunState(batches=batches, processes=ranks.count())
    if folder is None or optimizer is None:
        if config.runner.model_init_path:
            checkpoint.load(config.runner.model_init_path, model, config, optimizer)
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
    if state.batches != batches:
        raise UserError(
            f"{folder}: trained with {state.batches} batches an epoch, {config.runner.train_data_dir} gives {batches}; "
            "give the data that the run began with, or set runner.resume to none"
        )
    if state.best is not None and checksums.faults(folder.with_name(checkpoint.BEST)):
        logging.warning("%s: missing or damaged; the next evaluation counts as the best", checkpoint.BEST)
        state.best, state.unimproved = None, 0
    logging.info("resumed from %s: epoch %d, batch %d, step %d", folder, state.epoch, state.batch, state.step)
    return state


def newest(root) -> Path | None:
    """The whole checkpoint of a folder that was written last, None for none; a damaged newer one gets a warning."""
    for folder in reversed(_by_age(root, ANY)):
        faults = checksums.faults(folder)
        if not faults:
            return folder
        logging.warning("%s is damaged and skipped: %s", folder, "; ".join(faults))
    return None


@ranks.first_only
def prune(root, keep):
    """Delete all but the newest `keep` checkpoints, `best` not counted; 0 keeps all."""
    whole = [folder for folder in _by_age(root) if (folder / "rec.pdparams").is_file()]  # no other folder is ours
    for folder in whole[:-keep] if keep else ():
        # Under a name that `recover` clears away, so that a kill leaves no half of a checkpoint.
        shutil.rmtree(folder.rename(folder.with_name(f".{folder.name}-deleting")))


@ranks.first_only
def recover(root):
    """Put right what a killed run left while it wrote a checkpoint: the replaced one comes back where the new is not
    there yet, half of a new one goes."""
    for path in sorted(Path(root).glob(".*"), key=lambda path: not path.name.endswith("-old")):
        if (found := UNFINISHED.fullmatch(path.name)) and path.is_dir() and not path.is_symlink():
            if found[2] and not (path.parent / found[1]).exists():
                path.rename(path.parent / found[1])
            else:
                shutil.rmtree(path)


def _by_age(root, names=NUMBERED):
    """Checkpoints of such names, the oldest first."""
    folders = (path for path in Path(root).glob("*") if names.fullmatch(path.name) and path.is_dir())
    return sorted(folders, key=_written)


def _written(folder) -> float:
    """When a checkpoint was written, by itself since copies have other dates, by its date where it cannot be read."""
    written = checkpoint.read_state(folder).get("written")
    return written if isinstance(written, float) else folder.stat().st_mtime
