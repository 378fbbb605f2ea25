"""One line of standard error is left out, and nothing else."""

import os

import pytest

from tools.common.output import without_line


def fail_with_noise():
    with without_line(b"noise"):
        os.write(2, b"first\nW1126 noise!!!!!\nlast\n")
        raise ZeroDivisionError


def test_the_line_alone_is_left_out(capfd):
    with pytest.raises(ZeroDivisionError):
        fail_with_noise()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "first\nlast\nafter\n"
