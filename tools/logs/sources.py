"""The files that a log is: one, all of a folder and its sub-folders, or those of an archive."""

import logging
from pathlib import Path
from urllib.parse import unquote

from tools.common.errors import UserError
from tools.common.files import sha256
from tools.common.packed import Source, is_archive, members

LAKES = ("_delta_log", ".hoodie")  # tables whose folders also hold files that count no more


def log_files(path: Path, encoding="utf-8") -> list[Source]:
    """A file, or all files of a folder or archive by name, those of sub-folders included.

    Left out are hidden files and those that begin with `_`, and, with a word, empty ones. Folders `day=2024-01-01/`
    give their files a column.

    Raises:
        UserError: where nothing is left, for a pipe, for a table in whose folder not all files count, and for a file
            beside a packed one of its name.
    """
    if path.is_dir():
        sources = _in_folder(path)
    elif is_archive(path):
        sources = [Source(path, one) for one in members(path) if not _hidden(Path(one))]
    elif path.exists() and not path.is_file():
        raise UserError(f"{path}: a pipe or device, which can be read only once; write it to a file first")
    else:
        archive = next((one for one in path.parents if is_archive(one)), None)
        sources = [Source(archive, path.relative_to(archive).as_posix())] if archive else [Source(path)]
    if not sources:
        raise UserError(f"{path}: no files in this folder; give the log, or a folder of its files")
    check_once(sources, lambda one: (Path(str(one)).parent, one.bare))
    return [one._replace(encoding=encoding, columns=_partitions(one, path)) for one in sources]


def check_once(sources, name):
    """Refuse files that are one log twice: the same events would count again.

    Args:
        sources: the files.
        name: gives what only files of the same events share.
    """
    seen: dict = {}
    for one in sources:
        other = seen.setdefault(name(one), one)
        if other is not one:
            raise UserError(f"{other}, {one}: the same log twice, each event would count again; remove one of them")


def twins(sources) -> list[str]:
    """A word on each file that has the bytes of another one; of equal sizes only are the bytes read."""
    sizes: dict[int, list[Path]] = {}
    for path in dict.fromkeys(one.path for one in sources):
        sizes.setdefault(path.stat().st_size, []).append(path)
    told: list[str] = []
    first: dict[str, Path] = {}
    for path in (path for paths in sizes.values() if len(paths) > 1 for path in paths):
        other = first.setdefault(sha256(path), path)
        if other is not path:
            told.append(f"warning: {path} has the bytes of {other}: its events count twice")
    return told


def _hidden(path):
    return any(part[0] in "._" for part in path.parts)


def _in_folder(folder):
    found = [one for one in sorted(folder.rglob("*")) if one.is_file()]
    if any(lake in one.relative_to(folder).parts for one in found for lake in LAKES):
        raise UserError(f"{folder}: a Delta or Hudi table, of whose files not all count; export it as Parquet first")
    found = [one for one in found if not _hidden(one.relative_to(folder))]
    filled = [one for one in found if one.stat().st_size]
    for one in found:
        if one not in filled:
            logging.warning("%s: empty, passed over", one)
    return [Source(one) for one in filled]


def _partitions(source, root):
    """`{"day": "2024-01-01"}` of `day=2024-01-01/part.parquet`."""
    inner = Path(source.member) if source.member else source.path.relative_to(root)
    pairs = (part.split("=", 1) for part in inner.parts[:-1] if "=" in part)
    return {name: "" if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value) for name, value in pairs}
