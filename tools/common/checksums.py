"""SHA256SUMS of a folder, in the form of `sha256sum`, so that damage shows before anything is loaded."""

import re
from pathlib import Path

from tools.common.files import sha256
from tools.common.regular import inside, open_regular, read_regular, strangers

NAME = "SHA256SUMS"
LARGEST = 1 << 20  # bytes of the list
LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def write(folder):
    """Write the sums of all files below a folder, SHA256SUMS itself excepted; to be called last.

    The first line stands again at the end: without it, a file cut at the end of a line would look whole. A comment
    would say so too, but `sha256sum -c` complains about comments.
    """
    folder = Path(folder)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256(folder / name)}  {name}\n" for name in files if name != NAME]
    (folder / NAME).write_text("".join(lines + lines[:1]), encoding="utf-8", newline="")


def faults(folder) -> list[str]:
    """What is wrong with a folder, one text a file, each beginning with the file's name; empty where it is whole.

    A file is wrong that is listed in SHA256SUMS and is missing, cannot be read or differs, that stands outside the
    folder or is no regular one, and SHA256SUMS itself where it is missing, cannot be read or is cut. A regular file
    that is not listed is no fault.
    """
    folder = Path(folder)
    if found := strangers(folder):
        return [f"{name}: cannot be read (not a regular file)" for name in found]
    try:
        text = read_regular(folder / NAME, LARGEST).decode("utf-8")
    except OSError as error:
        return [f"{NAME}: {_reason(error)}"]
    except UnicodeDecodeError:
        return [f"{NAME}: not a list of checksums"]
    *lines, rest = text.split("\n")
    entries = [LINE.fullmatch(line) for line in lines]
    if not all(entries):
        return [f"{NAME}: not a list of checksums"]
    if rest or len(lines) < 2 or lines[0] != lines[-1]:
        return [f"{NAME}: cut short"]
    return [text for entry in entries[:-1] if entry and (text := _fault(folder, *entry.groups()))]


def _fault(folder, expected, name):
    try:
        open_regular(path := inside(folder, name)).close()
        return None if sha256(path) == expected else f"{name}: differs from its checksum"
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        return f"{name}: {_reason(error)}"


def _reason(error):
    return "missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({_words(error)})"


def _words(error):
    return getattr(error, "strerror", None) or error
