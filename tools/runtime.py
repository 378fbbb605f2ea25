"""The machine: device and seed."""

import paddle

from tools import blas
from tools.errors import UserError


def prepare(use_gpu, seed):
    """Choose the device and seed parameters and draws; before the first tensor is made."""
    blas.prepare()
    if use_gpu and not paddle.is_compiled_with_cuda():
        raise UserError("runner.use_gpu: true, but this Paddle has no CUDA; install paddlepaddle-gpu or set false")
    paddle.set_device("gpu" if use_gpu else "cpu")
    paddle.seed(seed)
