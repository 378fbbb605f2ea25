"""What another process does with a signal; on Linux."""

from pathlib import Path


def hears(pid, number) -> bool:
    """Whether it has a handler for the signal."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(line for line in lines if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> number - 1 & 1)
