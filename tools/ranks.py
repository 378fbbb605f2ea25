"""Several processes that train one model: which of them this is, and all that crosses the wire between them.

Paddle's launcher starts them, gloo (CPU) or nccl (GPU) carries the bytes. Each rank reads its share of a batch and
draws its own negatives; `average` makes their gradients one, so that all take the same step and their parameters stay
equal. Of a table with sparse gradients the looked-up rows are sent, so the bytes don't grow with the catalogue.

With one process nothing here does anything.
"""

import functools
import itertools
import logging
import os
import time
import zlib
from pathlib import Path

import numpy as np
import paddle
from paddle import distributed, nn
from paddle.base.core import create_or_get_global_tcp_store
from paddle.nn.clip import get_tensor_from_selected_rows, merge_selected_rows

from tools.errors import UserError

PATIENCE = 1800.0  # seconds that processes wait for one that reads or writes
_meetings = itertools.count()


class LostRankError(UserError):
    """Another process has ended or is out of reach. Parameters are those after the last whole step."""


def join(use_gpu):
    """Join the processes that the launcher started, if there are several; after the device is chosen."""
    if int(os.environ.get("PADDLE_TRAINERS_NUM", 1)) > 1:
        os.environ["PADDLE_DISTRI_BACKEND"] = "nccl" if use_gpu else "gloo"  # not what Paddle was compiled with
        distributed.init_parallel_env()


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
    """The words that run a script in as many processes as now."""
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


@_told
def _meet(posts, needed):
    """By the launcher's store: gloo's own exchanges give up after 30 seconds, and Paddle sets no other limit."""
    if count() == 1:
        return
    store, key, end = create_or_get_global_tcp_store(), f"meeting/{next(_meetings)}", time.monotonic() + PATIENCE
    store.add(key, posts)
    while store.add(key, 0) < needed:
        if time.monotonic() > end:
            raise RuntimeError(f"not here after {PATIENCE:.0f} s")
        time.sleep(0.02)


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


def average(model, loss, target_item) -> float:
    """Make all ranks' gradients, and the loss, what one process would have that trained all their samples.

    That is the mean over targets: ranks count by how many they have. What a model adds to the loss as a mean over users
    counts the same way, which with several targets a sample is nearly, not exactly, the mean over all users.

    Args:
        model: after the backward pass.
        loss: its own, a scalar.
        target_item: its own, `[B]` or `[B, M]`, 0 for none.
    """
    if count() == 1:
        return float(loss)
    sparse, dense = _parameters(model)
    weight = np.count_nonzero(np.asarray(target_item))
    rows = [_looked_up(parameter) for parameter in sparse]
    own = [weight, float(loss), *(len(ids) for ids, _ in rows), *(one.grad is not None for one in dense)]
    sums, notes = _sum_dense(dense, weight, own)  # notes: [ranks, len(own)]
    weights, losses, lengths, present = np.split(notes, [1, 2, 2 + len(sparse)], axis=1)
    everything = float(weights.sum())
    for parameter, gradient, anywhere in zip(dense, sums, present.any(axis=0).tolist(), strict=True):
        parameter.grad = gradient / everything if anywhere else None
    for parameter, (ids, values), length in zip(sparse, rows, lengths.T.astype(int).tolist(), strict=True):
        _gather_rows(parameter, ids, values * (weight / everything), length)
    return float((weights * losses).sum() / everything)


def _parameters(model):
    """Those whose gradients are rows, and the others. By the layers: a step without any row leaves no gradient."""
    tables = [layer for layer in model.sublayers() if isinstance(layer, nn.Embedding) and layer._sparse]
    rows = {id(layer.weight) for layer in tables}
    trained = [one for one in model.parameters() if not one.stop_gradient]
    return [one for one in trained if id(one) in rows], [one for one in trained if id(one) not in rows]


def _looked_up(parameter):
    """Ids `[R]`, each once, and gradients `[R, D]` of the rows that this rank looked up."""
    if parameter.grad is None:
        return paddle.zeros([0], "int64"), paddle.zeros([0, parameter.shape[1]], parameter.dtype)
    merged = merge_selected_rows(parameter.grad)
    return paddle.to_tensor(merged.rows(), "int64"), get_tensor_from_selected_rows(merged)


def _sum_dense(parameters, weight, own):
    """Weighted sums of gradients over the ranks, and the numbers of each, in one exchange.

    Numbers are exact up to 2^24, the float32 of the gradients that they travel with.
    """
    zero = [paddle.zeros_like(one) if one.grad is None else one.grad * weight for one in parameters]
    notes = np.zeros((count(), len(own)), np.float32)
    notes[rank()] = own
    flat = paddle.concat([*(one.flatten() for one in zero), paddle.to_tensor(notes.ravel())])
    all_reduce(flat)
    *sums, notes = paddle.split(flat, [*(one.size for one in zero), notes.size])
    sums = [one.reshape(parameter.shape) for one, parameter in zip(sums, parameters, strict=True)]
    return sums, notes.numpy().reshape(count(), -1).astype(np.float64)


def _gather_rows(parameter, ids, values, lengths):
    """Make a parameter's sparse gradient the rows of all ranks, in their order; `lengths`: how many each has."""
    parameter.clear_gradient(set_to_zero=False)
    if not max(lengths):
        return
    missing = max(lengths) - len(ids)  # what is gathered must be equally long everywhere
    parts = [(ids, paddle.zeros([missing], ids.dtype)), (values, paddle.zeros([missing, values.shape[1]]))]
    all_ids, all_values = (_gather(paddle.concat(part), lengths) for part in parts)
    # Public Paddle builds a sparse gradient in one place: the look-up's backward pass.
    nn.functional.embedding(all_ids, parameter, sparse=True).backward(all_values)


def _gather(tensor, lengths):
    """The ranks' tensors behind one another, the first `lengths[r]` rows of rank r."""
    found: list = []
    all_gather(found, tensor)
    return paddle.concat([one[:length] for one, length in zip(found, lengths, strict=True)])
