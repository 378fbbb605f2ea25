"""Memory of a process, as Linux counts it."""

from pathlib import Path


def megabytes(field, pid="self") -> float:
    """A field of /proc/<pid>/status in MB (10^6 bytes): VmRSS, resident now, or VmHWM, the most it ever was."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.split(f"{field}:")[1].split()[0]) * 1024 / 1e6
