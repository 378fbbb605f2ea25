"""Several processes that train one model: which of them this is, and all that crosses the wire between them.

Paddle's launcher starts them, gloo (CPU) or nccl (GPU) carries the bytes. Each rank reads its share of a batch and
draws its own negatives; `average_gradients` of `tools.training` makes their gradients one, so that all take the same
step and their parameters stay equal. Only rank 0 logs and saves.

With one process nothing here does anything.
"""

import contextlib
import functools
import itertools
import logging
import os
import signal
import time
import zlib
from pathlib import Path

import numpy as np
import paddle
from paddle import distributed
from paddle.base.core import create_or_get_global_tcp_store

from tools.common.errors import UserError
from tools.common.parent import end_with_parent, launched

PATIENCE = 1800.0  # seconds that processes wait for one that reads or writes
LEAVING = 60.0  # seconds that the first waits for the others at the end
_meetings = itertools.count()


class LostRankError(UserError):
    """Another process has ended or is out of reach. Parameters are those after the last whole step."""


@contextlib.contextmanager
def joined(use_gpu):
    """With the processes that the launcher started, if there are several; after the device is chosen.

    At the end the first goes last: a process that still asks its store would take it for lost.
    """
    if launched():
        end_with_parent(signal.SIGTERM)  # a launcher that is killed can't end them
    if launched() and int(os.environ["PADDLE_TRAINERS_NUM"]) > 1:
        os.environ["PADDLE_DISTRI_BACKEND"] = "nccl" if use_gpu else "gloo"  # not what Paddle was compiled with
        distributed.init_parallel_env()
    try:
        yield
    except SystemExit:  # all are interrupted together, and have saved
        _leave()
        raise
    _leave()


def rank() -> int:
    """Which process this is, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def count() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def log_level() -> int:
    """What this process tells: the first everything, the others what goes wrong."""
    return logging.WARNING if rank() else logging.INFO


def command(script) -> list[str]:
    """The words that run a script, a path, from the working folder in as many processes as now."""
    path, here = Path(script).absolute(), Path.cwd()
    script = str(path.relative_to(here) if path.is_relative_to(here) else path)
    if count() == 1:
        return ["python", script]
    nodes = int(os.environ.get("PADDLE_NNODES", 1))
    several = ["--nnodes", str(nodes), "--master", "HOST:PORT"] if nodes > 1 else []
    processes = ["--nproc_per_node", str(count() // nodes)]
    return ["python", "-m", "paddle.distributed.launch", *several, *processes, script]


def own_name(name) -> str:
    """`batch.npz` for the first process, `batch-1.npz` for the next: a name for a file of which each writes its own."""
    path = Path(name)
    return f"{path.stem}-{rank()}{path.suffix}" if rank() else name


def refuse(what):
    """A `UserError` that says what one process does, where there are several."""
    if count() > 1:
        raise UserError(f"{what}, by one process, and {count()} were started; start it with: python trainer.py")


def first_only(function):
    """The function, run by the first process alone; elsewhere it does nothing and gives None."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        return None if rank() else function(*args, **kwargs)

    return wrapped


def _told(collective):
    """The collective, with `LostRankError` where Paddle raises for a process that is gone."""

    @functools.wraps(collective)
    def wrapped(*args, **kwargs):
        try:
            return collective(*args, **kwargs)
        except RuntimeError as error:
            cause = str(error).strip().splitlines()[-1]
            raise LostRankError(
                f"rank {rank()} of {count()}: another process has ended or is out of reach ({cause}); see the other "
                "log/workerlog.* for why, then start all again with runner.resume=auto"
            ) from None

    return wrapped


all_reduce, all_gather = _told(distributed.all_reduce), _told(distributed.all_gather)


def wait_for_all():
    """Go on when all processes have come here; to stand where one of them may take long."""
    _meet(posts=1, needed=count())


def wait_for_first():
    """Go on when the first process has come here, which waits for nobody."""
    _meet(posts=int(rank() == 0), needed=int(rank() > 0))


def _leave():
    _meet(posts=int(rank() > 0), needed=0 if rank() else count() - 1, patience=LEAVING)


@_told
def _meet(posts, needed, patience=PATIENCE):
    """By the launcher's store: gloo's own exchanges give up after 30 seconds, and Paddle sets no other limit."""
    if count() == 1:
        return
    key, end = f"meeting/{next(_meetings)}", time.monotonic() + patience
    _add(key, posts)
    while needed and _add(key, 0) < needed:
        if time.monotonic() > end:
            raise RuntimeError(f"not here after {patience:.0f} s")
        time.sleep(0.02)


def _add(key, number) -> int:
    """Add to a number in the launcher's store; what it is then. The store fails where a signal comes meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        return create_or_get_global_tcp_store().add(key, number)
    except ValueError as error:  # what the store raises for a lost connection
        raise RuntimeError(str(error).splitlines()[0]) from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def largest(*numbers) -> list[int]:
    """The largest of each number over the processes."""
    if count() == 1:
        return list(numbers)
    shared = paddle.to_tensor([int(one) for one in numbers], dtype="int64")
    all_reduce(shared, op=distributed.ReduceOp.MAX)
    return shared.tolist()


def total(values) -> np.ndarray:
    """The sum of an array over the processes, float64."""
    shared = np.asarray(values, np.float64)
    if count() == 1:
        return shared
    summed = paddle.to_tensor(shared)
    all_reduce(summed)
    return summed.numpy()


def check_same(what, text, model):
    """See that all processes have the same text and the same parameters; `UserError` that names `what` otherwise."""
    if count() == 1:
        return
    wait_for_all()  # reading data takes as long as it takes
    code = zlib.crc32(text.encode())
    for value in model.state_dict().values():
        code = zlib.crc32(np.ascontiguousarray(value.numpy()).data, code)
    high, low = largest(code, -code)
    if high != -low:
        raise UserError(
            f"rank {rank()} of {count()}: the processes have different {what}; give all of them the same code, "
            "configuration and data, and a model_save_path that they share"
        )
