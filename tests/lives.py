"""Training in processes forked from one that has imported Paddle: that takes longer than they live."""

import multiprocessing
import os
import pathlib
import shutil
import signal

import rank_worker

import trainer
from tools.common import checksums, files
from tools.training import checkpoint

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["trainer"])  # found in the working directory; elsewhere each imports for itself
# All that a checkpoint's writing is made of.
WRITING = [
    (checkpoint.paddle, "save"), (checksums, "write"), (files, "flush"), (pathlib.Path, "rename"),
    (pathlib.Path, "write_text"), (shutil, "rmtree"),
]  # fmt: skip


def begin(arguments, errors, killed_at=0):
    """A process that trains.

    Args:
        arguments: of the trainer.
        errors: the file to which it writes what goes to stderr.
        killed_at: the call of those in `WRITING` at which it kills itself; 0: none.
    """
    process = _context.Process(target=_train, args=(arguments, os.fspath(errors), killed_at))
    process.start()
    return process


def begin_rank(arguments, output, environment):
    """A process that trains as one of several, or alone, as `rank_worker` does; a file gets all that it says."""
    process = _context.Process(target=_train_rank, args=(list(map(str, arguments)), os.fspath(output), environment))
    process.start()
    return process


def _train_rank(arguments, output, environment):
    for stream in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    os.environ.update(environment)
    multiprocessing.set_start_method("fork", force=True)  # for processes that read; the fork server would be theirs too
    rank_worker.main(arguments)


def _train(arguments, errors, killed_at):
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    multiprocessing.set_start_method("fork", force=True)  # for processes that read, as in `_train_rank`
    left = killed_at

    def mortal(call):
        def counted(*args, **kwargs):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return counted

    for owner, name in WRITING:
        setattr(owner, name, mortal(getattr(owner, name)))
    trainer.main(arguments)
