"""A folder as one file, and the folder again of a file that may come from a stranger."""

import contextlib
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tools.common.errors import UserError
from tools.common.files import atomic_path, shown
from tools.common.regular import check_archive, open_regular

MOST = 1000  # files of an archive; ours have some twenty
EPOCH = (1980, 1, 1, 0, 0, 0)  # of all files: equal folders give equal archives
CLASHES = (FileExistsError, NotADirectoryError, IsADirectoryError)  # a file that is a folder of another, too
PLAIN = (0, stat.S_IFREG, stat.S_IFDIR)  # kinds that a zip file may name; 0 is none, as on Windows


def pack(paths, root, output):
    """Write a zip of files and folders below `root`; the same content gives the same bytes.

    Args:
        paths: below `root`; of a folder all files.
        root: where names in the archive begin.
        output: the file.
    """
    files = {one for path in paths for one in ([path] if path.is_file() else path.rglob("*")) if one.is_file()}
    with atomic_path(output) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path.relative_to(root).as_posix(), EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, path.read_bytes())


def unpack(path, folder) -> Path:
    """Unpack a zip file into a folder that is new; gives that, or the folder that is all the archive holds.

    Raises:
        UserError: for what is none, is damaged, has more than `MOST` files, unpacks to a multiple of its size, or has a
            file that is a link or a device, is encrypted, stands there twice or leads out of the folder.
    """
    path, folder = Path(path), Path(folder)
    try:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(open_regular(path))
            archive = stack.enter_context(zipfile.ZipFile(file))
            entries = [one for one in archive.infolist() if not one.is_dir()]
            _check(archive, entries, path.stat().st_size)
            for entry in entries:
                target = folder / entry.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as packed, open(target, "xb") as unpacked:
                    shutil.copyfileobj(packed, unpacked)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, *CLASHES) as error:
        raise UserError(f"{path}: not an archive that can be opened ({shown(error, 200)}); fetch it again") from None
    found = list(folder.iterdir()) if entries else []
    return found[0] if len(found) == 1 and found[0].is_dir() else folder


def _check(archive, entries, size):
    """A `ValueError` for what is no archive of ours, before anything is written."""
    if len(archive.infolist()) > MOST:
        raise ValueError(f"{len(archive.infolist()):,} entries, and {MOST:,} is the most")
    check_archive(archive, size)
    names = [one.filename for one in entries]
    for one in entries:
        name, kind = PurePosixPath(one.filename), stat.S_IFMT(one.external_attr >> 16)
        if not name.parts or name.is_absolute() or ".." in name.parts or "\\" in one.filename or ":" in one.filename:
            raise ValueError(f"{shown(one.filename)}: leads out of the folder")
        if kind not in PLAIN:
            raise ValueError(f"{shown(one.filename)}: not a regular file")
        if one.flag_bits & 1 or one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{shown(one.filename)}: encrypted, or packed in a way that is not read")
    if len({name.casefold() for name in names}) < len(names):
        raise ValueError("a file stands in it twice")
