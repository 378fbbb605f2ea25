"""Training in processes that are killed, forked from one that has imported Paddle: that takes longer than they live."""

import multiprocessing
import os
import pathlib
import shutil
import signal

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


def _train(arguments, errors, killed_at):
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
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
