"""When compiled passes take the place of Paddle's operators, and how they share memory with its tensors.

Each pass stands beside the plain formula that it computes, and tests hold both against each other. The plain one is
used unless `turn_on` was called, on a GPU, inside a static program and where nothing is trained. It is a choice and
not found out by itself, since the last digits differ: a library that is installed must not change figures.
"""

import os
from importlib import import_module

import numpy as np
import paddle
from paddle.autograd import PyLayer

ON = False  # what `turn_on` set


def turn_on(wanted):
    """Let compiled passes run the training steps of this process, or not; an `ImportError` without numba or SciPy."""
    global ON
    if wanted:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # SciPy's products stand in passes, which share out the work
        for library in ("numba", "scipy.linalg"):
            import_module(library)
    ON = wanted


def usable(tensor) -> bool:
    """Whether what follows from a tensor can be compiled: eager, on a CPU, in float32, turned on."""
    return ON and paddle.in_dynamic_mode() and tensor.dtype == paddle.float32 and tensor.place.is_cpu_place()


def together(layer, *names) -> bool:
    """Whether one class gives a layer all these attributes, so that who overrides one knows of the others."""
    return len({next(one for one in type(layer).__mro__ if name in vars(one)) for name in names}) == 1


def array(tensor):
    """A tensor as a contiguous array, of the same memory where it is contiguous."""
    return np.from_dlpack(tensor.detach().contiguous())


def tensor(own):
    """An array as a tensor of the same memory."""
    return paddle.Tensor(value=own, place=paddle.CPUPlace(), zero_copy=True)  # in half the time of `from_dlpack`


class Pass(PyLayer):
    """A compiled pass as one operator.

    A pass is a function on arrays, and on constants, which no gradient reaches. It gives a tuple of results, and its
    way back: a function of their gradients to a tuple of those by the arrays.
    """

    @staticmethod
    def forward(ctx, function, constants, *tensors):
        """The results of `function(*arrays, *constants)`, a tuple of tensors."""
        results, ctx.back = function(*map(array, tensors), *constants)
        return tuple(map(tensor, results))

    @staticmethod
    def backward(ctx, *gradients):
        """Gradients of the tensors."""
        return tuple(map(tensor, ctx.back(*map(array, gradients))))
