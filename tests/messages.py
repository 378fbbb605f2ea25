"""What commands print."""

import re


def without_log(text):
    """What a command printed, its log lines left out."""
    return re.sub(r"^\d{4}-\d\d-\d\d [\d:,]+ - INFO - .*\n", "", text, flags=re.MULTILINE)


def check_message(text, *names, line=None):
    """Hold an error against the rules: one printable line, file (and line) first, a fix after it."""
    assert len(text.splitlines()) == 1
    assert text.isprintable()
    assert len(text) < 1000
    assert any(name in text for name in names)
    if line is not None:
        assert f":{line}: " in text
