"""What the property tests share: how many examples they take, bytes to harm files with, and what an error must be.

CI takes the same few examples each time. `PROPERTY_EXAMPLES=5000 pytest tests/**/test_properties_*.py` takes that many
others.
"""

import io
import os
import re
import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from messages import check_message, without_log

from tools.common.errors import UserError
from tools.preprocess import main

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "0"))
settings.register_profile(
    "properties",
    max_examples=EXAMPLES or 60,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("properties")

LINE_ENDS = ("\n", "\r\n", "\r")
SPITE = [  # what finds more than noise does
    b'"', b"'", b",", b"\t", b"\n", b"\r", b"\r\n", b"\n\n", b"\0", b" ", b"\xff", b"\xe9", b"\x96", b"\xef\xbb\xbf",
    b"#", b"\x1c", b"\xc2\x85", b"\xe2\x80\xa8", b"-", b".", b"e", b"nan", b"inf", b"9" * 30, b"1e999", b"{", b"}",
    b"[", b"]", b":", b"<<", b"*a", b"&a ", b"!!", b"null", b"[" * 3000, b"x" * 1500, b"\\u0000", b"\\ud800", b"_",
    b"0x", b"2020-13-45",
]  # fmt: skip


@st.composite
def harmed(draw, content):
    """The bytes with a few places changed, cut out, doubled or filled."""
    data = content
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 1, 1, 2, 8, 10**9])))
        filling = draw(st.sampled_from([b"", data[start:end] * 2, *SPITE]) | st.binary(max_size=3))
        data = data[:start] + filling + data[end:]
    return data


def any_bytes(*contents):
    """Noise, and contents that were whole once."""
    return st.one_of(st.binary(max_size=60), *map(harmed, contents))


def lines_of(text):
    """Lines as every editor counts them, `(number, line)`, without blank ones."""
    return [(number, line) for number, line in enumerate(re.split("\r\n|\r|\n", text), 1) if line.strip(" ")]


def refused(call, *names, line=None):
    """What a call gives, or None where it refuses its input as it should: one line that names a file and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return call()
        except UserError as error:
            check_message(str(error), *names, line=line)
    return None


def prepare(source, name, content, *options):
    """Run the command on a file; gives the folder and what was printed, or None and the error."""
    root = Path(tempfile.mkdtemp(dir=prepare.root))
    (root / name).write_bytes(content)
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", out)
        patch.setattr("sys.stderr", err)
        try:
            main([source, str(root / name), "--output", str(root / "made"), *map(str, options)])
        except SystemExit:
            told = without_log(err.getvalue())
            assert told.startswith("error: ")
            assert not (root / "made").exists()
            return None, told.removeprefix("error: ").removesuffix("\n")
    assert not without_log(err.getvalue())
    return root / "made", out.getvalue()
