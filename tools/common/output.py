"""What libraries write to standard error past Python."""

import contextlib
import os
import tempfile


@contextlib.contextmanager
def without_line(words):
    """Leave out the lines with some words of what is written to standard error meanwhile, also by C++.

    All other lines follow when the block ends, however it does. For messages that have no switch of their own.

    Args:
        words: bytes.
    """
    try:
        real = os.dup(2)
    except OSError:  # standard error is closed
        yield
        return
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(real, 2)
            file.seek(0)
            with contextlib.suppress(OSError):  # it may be full
                os.write(real, b"".join(line for line in file if words not in line))
            os.close(real)
