"""Files as they come: plain or compressed, alone or in an archive, in any encoding; read as bytes of UTF-8."""

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tools.common.errors import UserError

READ = 1 << 20  # bytes of a compressed file that are read at once
MAGIC = {b"\x1f\x8b\x08": ".gz", b"\xfd7zXZ\0": ".xz", b"BZh": ".bz2", b"\x28\xb5\x2f\xfd": ".zst"}
SUFFIXES = (".gz", ".xz", ".bz2", ".zst")
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
# What libraries raise for an archive that is none, is cut, encrypted or packed in a way of its own, or lacks a file.
NO_ARCHIVE = (
    zipfile.BadZipFile, tarfile.TarError, EOFError, lzma.LZMAError, NotImplementedError, RuntimeError, KeyError,
)  # fmt: skip
# How files begin that are no text, and no Parquet.
OTHERS = {
    b"PK\3\4": "a zip file, which is read alone and by the name .zip; unpack it, or remove it",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"Rar!\x1a": "a rar archive; unpack it", b"\xd0\xcf\x11\xe0": "a workbook; save it as CSV",
    b"SQLite format 3": "a database; export the table as CSV", b"ARROW1\0": "an Arrow file; write it as Parquet",
    b"Obj\1": "an Avro file; write it as Parquet",
    b"\x89HDF": "an HDF5 file; write it as Parquet", b"\x80\4\x95": "a pickle; write it as Parquet",
    b"\x80\5\x95": "a pickle; write it as Parquet", b"%PDF-": "a PDF; give the log itself",
    codecs.BOM_UTF32_LE: "text of UTF-32; save it as UTF-8, or table and split take --encoding utf-32",
    codecs.BOM_UTF16_LE: "text of UTF-16; save it as UTF-8, or table and split take --encoding utf-16",
    codecs.BOM_UTF16_BE: "text of UTF-16; save it as UTF-8, or table and split take --encoding utf-16",
}  # fmt: skip
WORKBOOKS = (".xlsx", ".xlsm", ".ods")  # which are zip files, too


class Source(NamedTuple):
    """A file, or one within an archive."""

    path: Path
    member: str = ""  # of an archive
    encoding: str = "utf-8"
    columns: dict[str, str] = {}  # what the names of its folders say, as `day=2024-01-01/` does

    def __str__(self):
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def name(self) -> str:
        """The file's name, in lower case."""
        return (self.member or self.path.name).rpartition("/")[2].lower()

    @property
    def suffix(self) -> str:
        """What kind of file it is, whatever it is packed in: `.csv` of `LOG.CSV.gz`."""
        return Path(self.bare).suffix

    @property
    def bare(self) -> str:
        """The file's name once it is unpacked: `log.csv` of `LOG.CSV.gz`."""
        name = Path(self.name)
        return name.stem if name.suffix in SUFFIXES else self.name


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or tar by its name."""
    return path.is_file() and path.name.lower().endswith(ARCHIVES)


def members(path: Path) -> list[str]:
    """The files in a zip or tar, in the order of their names; a `UserError` for what is none."""
    with _archive(path):
        if path.name.lower().endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                return sorted(one.filename for one in archive.infolist() if not one.is_dir() and one.file_size)
        with tarfile.open(path) as archive:
            return sorted(one.name for one in archive if one.isfile() and one.size)


@contextlib.contextmanager
def _archive(source):
    try:
        yield
    except NO_ARCHIVE as error:
        told = (str(error).splitlines() or [type(error).__name__])[0].strip("'\"")
        raise UserError(f"{source}: not an archive that can be opened ({told}); fetch it again, or unpack it") from None


@contextlib.contextmanager
def open_packed(source) -> Iterator[io.BufferedIOBase]:
    """A path or `Source` as a stream of its own bytes; what is compressed by first bytes or name comes unpacked.

    Raises:
        UserError: for an archive that cannot be opened, and for a `Source` that is no text and says so at its start.
    """
    log = isinstance(source, Source)
    source = source if log else Source(Path(source))
    with contextlib.ExitStack() as stack:
        with _archive(source):
            raw = _raw(source, stack)
        if log:
            _check_kind(source, raw.peek(16))
        file = stack.enter_context(_unpacked(source, raw))
        yield file if source.encoding == "utf-8" else _Recoded(file, source.encoding)  # type: ignore[misc]


def _raw(source, stack):
    if not source.member:
        return stack.enter_context(open(source.path, "rb"))
    if source.path.name.lower().endswith(".zip"):
        archive = stack.enter_context(zipfile.ZipFile(source.path))
        return io.BufferedReader(stack.enter_context(archive.open(source.member)))
    return stack.enter_context(stack.enter_context(tarfile.open(source.path)).extractfile(source.member))


def _check_kind(source, start):
    told = next((kind for magic, kind in OTHERS.items() if start.startswith(magic)), None)
    if told is None or ("--encoding" in told and source.encoding != "utf-8"):
        return
    raise UserError(f"{source}: {'a workbook; save it as CSV' if source.suffix in WORKBOOKS else told}")


def _unpacked(source, file):
    start = file.peek(8)
    suffix = next((kind for magic, kind in MAGIC.items() if start.startswith(magic)), Path(source.name).suffix)
    if suffix == ".gz":
        return gzip.open(file)
    if suffix in STREAMS:
        return io.BufferedReader(_Streams(file, STREAMS[suffix]), READ)
    return io.BufferedReader(_Zstandard(source, file), READ) if suffix == ".zst" else file


STREAMS: dict[str, Callable] = {".xz": lzma.LZMADecompressor, ".bz2": bz2.BZ2Decompressor}


class _Streams(io.RawIOBase):
    """Compressed streams one after the other; unlike `lzma.open` it refuses what follows the first and is none."""

    def __init__(self, file, start):
        self.file, self.start, self.stream = file, start, start()

    def readable(self):
        return True

    def readinto(self, buffer):
        data = found = b""
        while not found:
            if self.stream.eof:
                data = self.stream.unused_data.lstrip(b"\0")
                while not data and (more := self.file.read(READ)):
                    data = more.lstrip(b"\0")
                if not data:
                    return 0
                self.stream = self.start()
            elif self.stream.needs_input and not (data := self.file.read(READ)):
                raise EOFError("Compressed file ended before the end-of-stream marker was reached")
            found = self.stream.decompress(data, len(buffer))
            data = b""
        buffer[: len(found)] = found
        return len(found)


class _Zstandard(io.RawIOBase):
    """Lines of a .zst file through Polars, which unpacks them."""

    def __init__(self, source, file):
        import polars

        packed = file if source.member else source.path
        lines = polars.scan_csv(
            packed.read() if source.member else packed,
            has_header=False, separator="\x01", quote_char=None, schema={"line": polars.String},
        )  # fmt: skip
        self.batches, self.rest = lines.collect_batches(maintain_order=True), b""

    def readable(self):
        return True

    def readinto(self, buffer):
        while not self.rest:
            batch = next(self.batches, None)
            if batch is None:
                return 0
            self.rest = "".join(f"{line}\n" for line in batch["line"].fill_null("")).encode()
        found, self.rest = self.rest[: len(buffer)], self.rest[len(buffer) :]
        buffer[: len(found)] = found
        return len(found)


class _Recoded:
    """A stream in another encoding as one of UTF-8."""

    def __init__(self, file, encoding):
        self.reader = codecs.getreader(encoding)(file, "strict")

    def read(self, size=-1):
        """About so many bytes of UTF-8."""
        return self.reader.read(size).encode("utf-8")
