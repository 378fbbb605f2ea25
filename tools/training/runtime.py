"""The machine: device, memory and seed."""

import ctypes
import sys

import numpy as np
import paddle

from tools.common import blas
from tools.common.errors import UserError


def prepare(use_gpu, seed):
    """Choose the device and seed parameters and draws; before the first tensor is made."""
    blas.prepare()
    keep_memory()
    if use_gpu and not paddle.is_compiled_with_cuda():
        raise UserError("runner.use_gpu: true, but this Paddle has no CUDA; install paddlepaddle-gpu or set false")
    if use_gpu and not paddle.device.cuda.device_count():
        raise UserError("runner.use_gpu: true, but Paddle sees no GPU; look at CUDA_VISIBLE_DEVICES, or set false")
    paddle.set_device("gpu" if use_gpu else "cpu")  # of several GPUs the one that the launcher gives this process
    paddle.seed(seed)


def keep_memory():
    """Let glibc keep freed memory for the next step. Else each tensor above 128 kB is mapped afresh and zeroed by the
    kernel page by page, which takes longer than the sum of two such tensors."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "gnu_get_libc_version"):
        libc.mallopt(M_MMAP_THRESHOLD, LARGE)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGE = 32 << 20  # bytes: glibc's own upper bound; what is larger, as an item table, is mapped and given back at once
KEPT = 512 << 20  # bytes: more than what a step frees


def keep_arrays():
    """Let a program keep its arrays for the next run. Else a thread of Paddle's frees each after its last use and
    spins in between, which takes two thirds as much processor time as a small run itself."""
    paddle.set_flags({"FLAGS_eager_delete_tensor_gb": -1.0})


def seed_step(seed, step, rank=0):
    """Seed the draws of a training step: they depend on these numbers alone, so a resumed run draws the same."""
    paddle.seed(int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0]) >> 1)
