"""The machine: device, threads, and one trap of Paddle's on AMD processors."""

import os
from pathlib import Path

import paddle

from tools.errors import UserError


def prepare(use_gpu, seed):
    """Choose the device and seed parameters and draws; before the first tensor is made.

    On an AMD processor, Paddle's MKL (2019) falls back to SSE code, and each dense Adam step leaves the AVX registers
    dirty, which slows that code another five times: a matrix product of a step takes 12 ms instead of 0.6. This
    variable makes MKL use AVX2. It is read at the first product, so the import may come before.
    """
    if "AuthenticAMD" in _cpu_info() and "avx2" in _cpu_info():
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")
    if use_gpu and not paddle.is_compiled_with_cuda():
        raise UserError("runner.use_gpu: true, but this Paddle has no CUDA; install paddlepaddle-gpu or set false")
    paddle.set_device("gpu" if use_gpu else "cpu")
    paddle.seed(seed)


def _cpu_info():
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""  # not Linux: MKL is left alone
