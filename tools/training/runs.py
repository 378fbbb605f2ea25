"""The run that a folder of checkpoints holds: which of its files are a run's, and in which order they were written."""

import logging
import math
import re
from pathlib import Path

from tools.common import ranks, replacing
from tools.common.errors import UserError
from tools.training import checkpoint, history

NUMBERED = re.compile(r"\d+|step-\d+")  # a whole epoch, a step within one
FAILED = "failed"
METRICS = "metrics.json"  # of infer.py
FILES = (history.NAME, METRICS)  # beside the checkpoints
NAMES = rf"{NUMBERED.pattern}|{checkpoint.BEST}|{FAILED}|{'|'.join(map(re.escape, FILES))}"


def checkpoints(root, *, best=False) -> list[Path]:
    """Checkpoints of whole epochs and steps, those of the fewest steps first; a copy under another name is left out.

    Args:
        root: their folder.
        best: whether `best` is one of them.
    """
    found = [one for one in _numbered(root) if is_own(one) or not _counted(one)]
    if best and (Path(root) / checkpoint.BEST).is_dir():
        found.append(Path(root) / checkpoint.BEST)
    return sorted(found, key=place)


def _numbered(root):
    return [one for one in sorted(Path(root).glob("*")) if NUMBERED.fullmatch(one.name) and one.is_dir()]


def place(folder) -> tuple[float, ...]:
    """What checkpoints are sorted by: steps, and for equal ones what had been done since. No clock has a say.

    One that does not say, since it is damaged, comes last.
    """
    evaluated = _whole(checkpoint.read_state(folder).get("evaluated")) or 0
    return *(_counted(folder) or (math.inf,)), evaluated


def _counted(folder) -> list[int]:
    """Step, epoch and batch where a checkpoint stands; empty where it does not say."""
    state = checkpoint.read_state(folder)
    found = [_whole(state.get(name)) for name in ("step", "epoch", "batch")]
    return [one for one in found if one is not None] if None not in found else []


def _whole(value):
    return value if type(value) is int and value >= 0 else None


def is_own(folder) -> bool:
    """Whether a numbered folder has the name under which a run wrote it: a copy of another name has not."""
    if folder.is_symlink() or not (counted := _counted(folder)):
        return False
    step, epoch, batch = counted
    return folder.name == name(step, epoch, batch)


def name(step, epoch, batch) -> str:
    """Of a checkpoint: the epoch where that is whole, else the step."""
    return f"step-{step}" if batch else str(epoch - 1)


def found(root) -> list[Path]:
    """What a run wrote into a folder: its checkpoints, curves and metrics."""
    root = Path(root)
    own = [one for one in _numbered(root) if is_own(one)]
    own += [root / one for one in (checkpoint.BEST, FAILED) if (root / one / "rec.pdparams").is_file()]
    own += [root / one for one in FILES if (root / one).is_file()]
    return own + sorted([*root.glob("visual/vdlrecords.*"), *root.glob("tensorboard/events.out.tfevents.*")])


def refuse(root):
    """A `UserError` with the ways out where a folder holds a run."""
    foreign = [one for one in _numbered(root) if not _counted(one) and (one / "rec.pdparams").is_file()]
    names = [one.name for one in [*found(root), *foreign] if one.name != METRICS]
    if names:
        listed = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        raise UserError(
            f"{root}: holds a run ({listed}); go on with it by runner.resume=auto, choose another "
            "runner.model_save_path, or replace it by runner.overwrite=true"
        )


@ranks.first_only
def remove(paths):
    """Remove what `found` gave, history last, so that a kill leaves what is still a run."""
    for path in sorted(paths, key=lambda one: one.name in FILES):
        if path.is_dir():
            replacing.discard(path)
        else:
            path.unlink(missing_ok=True)
    if paths:
        logging.info("%s: the run that was there is removed", paths[0].parent)
