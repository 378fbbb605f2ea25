"""Reading and writing files so that nothing is ever half-written and every fault has a name."""

import contextlib
import hashlib
import io
import lzma
import os
import re
import shutil
import tempfile
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tools.common import replacing
from tools.common.errors import UserError
from tools.common.packed import Source, open_packed
from tools.common.regular import check_archive, check_array, open_regular

BOM = b"\xef\xbb\xbf"
BROKEN = (EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)
LINE_END = re.compile(rb"\r\n|\n|\r")
# What numpy, its reader of headers, zipfile and zlib raise for bytes that are no arrays.
NO_ARRAYS = (
    OSError, ValueError, EOFError, UserWarning, SyntaxError, tokenize.TokenError, OverflowError, MemoryError, TypeError,
    RuntimeError, LookupError, zlib.error, zipfile.BadZipFile,
)  # fmt: skip


def read_bytes(path) -> bytes:
    """Content of a file, unpacked where it is compressed; a `UserError` where it cannot be read to its end."""
    with _reading(path), open_packed(path) as file:
        return file.read()


def read_bounded(path, most) -> bytes:
    """As `read_bytes`, of a plain file; a `UserError` where it has more than `most` bytes."""
    with _reading(path), open(path, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise UserError(f"{path}: larger than the {most:,} bytes that such a file may have; check the name")
    return content


@contextlib.contextmanager
def _reading(path):
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); check name and format") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: {error}; give the --encoding that the file is in") from None
    except BROKEN as error:
        raise UserError(f"{path}: the compressed data ends or breaks early ({error}); fetch the file again") from None


def line_blocks(path, size=1 << 26) -> Iterator[tuple[int, bytes]]:
    """A path or `Source` in blocks of whole lines, each with the number of its first line, from 1.

    A block has about `size` bytes, ends its lines with LF only, and has no byte order mark. Errors as `read_bytes`.
    """
    line, rest = 1, b""
    with _reading(path), open_packed(path) as file:
        while data := file.read(size):
            data = (rest + data) if line > 1 or rest else data.removeprefix(BOM)
            held = data[-1:] if data.endswith(b"\r") else b""  # half of a CRLF, perhaps
            data = data.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            whole, end, rest = data.rpartition(b"\n")
            rest += held
            if end:
                yield line, whole + end
                line += whole.count(b"\n") + 1
    if rest := rest.replace(b"\r", b"\n"):
        yield line, rest


def read_text(path) -> str:
    """Content of a UTF-8 file, plain, .gz or .xz, with or without a byte order mark."""
    return decode(read_bytes(path), path)


def decode(data, name, first=1) -> str:
    """UTF-8 bytes as text, without a byte order mark; a `UserError` with name and line where they are none.

    A NUL is no text either: it is what UTF-16 looks like, and numpy cuts it off at the end of a word. `first` is the
    number of the first line.
    """
    data = data.removeprefix(BOM)
    try:
        text = data.decode("utf-8")
        bad = data.find(b"\0")
    except UnicodeDecodeError as error:
        bad = error.start
    if bad < 0:
        return text
    line = len(LINE_END.findall(data, 0, bad)) + first
    fix = ", or table and split take --encoding" if isinstance(name, Source) else ""
    raise UserError(f"{name}:{line}: byte 0x{data[bad]:02x} is not UTF-8 text; save the file as UTF-8{fix}")


def lines_of(text, first=1) -> list[tuple[int, str]]:
    """The lines of a text that are not blank, each with its number; they end on LF, CRLF or CR, and on nothing else."""
    lines = re.split(LINE_END.pattern.decode(), text)
    return [(number, line) for number, line in enumerate(lines, first) if line.strip(" ")]


def shown(text, most=80) -> str:
    """A text as a message shows it: in one printable line, cut where it is long."""
    text = str(text)[:most]
    return text if text.isprintable() else repr(text)[1:-1][:most]


def load_array(path, fix) -> np.ndarray:
    """The array of an .npy file, no pickle; a `UserError` that says how to correct it where it is not whole."""
    with _whole(path, fix), open_regular(path) as file:
        check_array(file, os.fstat(file.fileno()).st_size)
        return np.lib.format.read_array(file, allow_pickle=False)


def map_array(path, fix) -> np.ndarray:
    """As `load_array`, its values left in the file."""
    with _whole(path, fix):
        open_regular(path).close()
        return np.load(path, mmap_mode="r")


def load_arrays(path, fix) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, as `load_array`."""
    with _whole(path, fix), open_regular(path) as file, zipfile.ZipFile(file) as archive:
        check_archive(archive, os.fstat(file.fileno()).st_size)
        return {
            name.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
            for name in archive.namelist()  # read to their ends, where their checksums are
        }


@contextlib.contextmanager
def _whole(path, fix):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # a header that np.save never wrote
            yield
    except NO_ARRAYS as error:
        raise UserError(f"{path}: not readable ({shown(error, 200)}); {fix}") from None


def sha256(*paths) -> str:
    """Hexadecimal SHA-256 of a file, or of several as if they were one."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def digest(*contents) -> str:
    """16 hexadecimal digits that other contents, bytes or arrays, don't share."""
    summed = hashlib.sha256()
    for one in contents:
        summed.update(np.ascontiguousarray(one).data if isinstance(one, np.ndarray) else one)
    return summed.hexdigest()[:16]


@contextlib.contextmanager
def scratch_folder(path):
    """Give a folder beside `path`, where there is room for what is to become it, that vanishes with the block."""
    path = Path(os.path.realpath(path))
    with _reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=replacing.scratch_name(path), dir=path.parent)
    with folder as name:
        yield Path(name)


@contextlib.contextmanager
def atomic_folder(path):
    """Give a temporary folder that becomes `path` when the block ends well, and vanishes otherwise; see `replace`."""
    target = replacing.folder_target(path)
    with _reported(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=replacing.scratch_name(target), dir=target.parent))
    try:
        with _reported(path):
            yield temporary
            temporary.chmod(0o755)  # mkdtemp's folder is closed to others
            for one in (*temporary.rglob("*"), temporary):
                flush(one)
            replacing.put(temporary, target)
            flush(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def atomic_path(path):
    """Give a temporary name whose file becomes `path` when the block ends well, and vanishes otherwise.

    A link is followed, and into a device, as /dev/null, the file's bytes are written.
    """
    with _reported(path):
        target = replacing.file_target(path)
        if target is None:
            with tempfile.TemporaryDirectory() as folder:
                temporary = Path(folder) / "file"
                yield temporary
                with open(temporary, "rb") as file, open(path, "wb") as device:
                    shutil.copyfileobj(file, device)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f"{replacing.scratch_name(target)}{os.getpid():08d}")
        try:
            yield temporary
            flush(temporary)
            os.replace(temporary, target)
            flush(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


def flush(path):
    """Wait until the content of a file or folder is on the disk, so that no name outlives a crash without it."""
    if os.name != "posix":
        return  # elsewhere neither folders nor files open for reading can be flushed
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic_file(path):
    """As `atomic_path`, with a temporary text file, open."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        yield file


@contextlib.contextmanager
def _reported(path):
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); check space and rights") from error
