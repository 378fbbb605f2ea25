"""When compiled passes take the place of Paddle's operators, and how they share memory with its tensors.

Each pass stands beside the plain formula that it computes, and tests hold both against each other. The plain one is
used unless `turn_on` was called, on a GPU, inside a static program and where nothing is trained. It is a choice and
not found out by itself, since the last digits differ: a library that is installed must not change figures.
"""

from importlib import import_module

import numpy as np
import paddle

ON = False  # what `turn_on` set


def turn_on(wanted):
    """Let compiled passes run the training steps of this process, or not; an `ImportError` without numba."""
    global ON
    if wanted:
        import_module("numba")
    ON = wanted


def usable(tensor) -> bool:
    """Whether what follows from a tensor can be compiled: eager, on a CPU, in float32, turned on."""
    return ON and paddle.in_dynamic_mode() and tensor.dtype == paddle.float32 and tensor.place.is_cpu_place()


def array(tensor):
    """A tensor as a contiguous array, of the same memory where it is contiguous."""
    return np.from_dlpack(tensor.detach().contiguous())


def tensor(own):
    """An array as a tensor of the same memory."""
    return paddle.utils.dlpack.from_dlpack(own)
