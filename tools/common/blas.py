"""What the libraries that multiply matrices must be told of an AMD processor before they are loaded."""

import os
from pathlib import Path


def prepare():
    """Set the environment variables of Paddle's MKL and of Faiss's OpenBLAS; those that are set stay.

    MKL (2019) falls back to SSE code, which is slower, and slower still after a dense Adam step, which leaves the AVX
    registers dirty; told so, it uses AVX2. It reads this at the first product, so the import may come before.
    `MKL_DEBUG_CPU_TYPE= python -m benchmarks.speed.train` measures without.
    OpenBLAS (2021) doesn't know processors of after it; with AVX-512's kernels exact search takes two thirds of the
    time. It reads this when Faiss is imported.
    """
    cpu = _cpu_info()
    if "AuthenticAMD" in cpu and "avx2" in cpu:
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")
    if "AuthenticAMD" in cpu and "avx512dq" in cpu:
        os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")


def _cpu_info():
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""  # not Linux: they are left alone
