"""The machine: device, threads, and one trap of Paddle's on AMD processors."""

import os
from pathlib import Path

import paddle

from tools.errors import UserError


def prepare(use_gpu, seed):
    """Choose the device and seed parameters and draws; before the first tensor is made.

    On an AMD processor, Paddle's MKL (2019) falls back to SSE code, which is slower, and slower still after a dense
    Adam step, which leaves the AVX registers dirty. This variable makes MKL use AVX2; it is read at the first product,
    so the import may come before. `MKL_DEBUG_CPU_TYPE= python -m benchmarks.train_speed` measures without.
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
