"""The machine: device and seed."""

import numpy as np
import paddle

from tools.common import blas
from tools.common.errors import UserError


def prepare(use_gpu, seed):
    """Choose the device and seed parameters and draws; before the first tensor is made."""
    blas.prepare()
    if use_gpu and not paddle.is_compiled_with_cuda():
        raise UserError("runner.use_gpu: true, but this Paddle has no CUDA; install paddlepaddle-gpu or set false")
    if use_gpu and not paddle.device.cuda.device_count():
        raise UserError("runner.use_gpu: true, but Paddle sees no GPU; look at CUDA_VISIBLE_DEVICES, or set false")
    paddle.set_device("gpu" if use_gpu else "cpu")  # of several GPUs the one that the launcher gives this process
    paddle.seed(seed)


def seed_step(seed, step, rank=0):
    """Seed the draws of a training step: they depend on these numbers alone, so a resumed run draws the same."""
    paddle.seed(int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0]) >> 1)
