"""What commands print."""

import re

import pytest


def without_log(text):
    """What a command printed, its log lines left out."""
    return re.sub(r"^\d{4}-\d\d-\d\d [\d:,]+ - INFO - .*\n", "", text, flags=re.MULTILINE)


def refused(call, capsys, *args):
    """The last line of a command that ends with code 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        call(*args)
    assert end.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def check_message(text, *names, line=None):
    """Hold an error against the rules: one printable line, file (and line) first, a fix after it."""
    assert len(text.splitlines()) == 1
    assert text.isprintable()
    assert len(text) < 1000
    assert any(name in text for name in names)
    if line is not None:
        assert f":{line}: " in text
