"""The prepared data set on disk: `train/ valid/ test/` with a CSV and flat arrays beside it, maps and `meta.yaml`."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tools.common.errors import UserError
from tools.common.files import decode, load_array, read_bounded, read_text, sha256, shown
from tools.common.ragged import Ragged, pieces, ragged
from tools.common.replacing import restore
from tools.common.written import append, save_array
from tools.config.overrides import LARGEST, load_yaml
from tools.data.split_text import Evaluation, Sequences, check_items, is_evaluation, parse_evaluation, parse_sequences

CSV_NAME = "interactions.csv"
EVALUATION_CUTS = {  # protocol -> how many of a user's first items are the history
    "comirec": lambda length: (0.8 * length).astype(np.int64),
    "mind": lambda length: length - 1,
    "leave_one_out": lambda length: length - 1,
}
HISTORY = "history.npy"  # beside the arrays of a split where the protocol's name alone does not say the cut
WRITTEN_CUTS = ("time", "random")  # protocols whose splits have that array
ARRAYS = ("users", "items", "offsets")
FILES = (CSV_NAME, *(f"{name}.npy" for name in ARRAYS))
TEXT_ROWS = 1 << 16  # rows of text that are written at once


def data_files(folder) -> list[str]:
    """The text files of a split; a `UserError` that names the command where there are none."""
    folder = Path(folder)
    restore(folder.parent)
    files = sorted(
        str(one)
        for one in folder.glob("*")
        if one.is_file() and one.name[0] != "." and one.suffix not in (".npy", ".npz")
    )
    if not files:
        raise UserError(absent(folder))
    return files


def absent(folder) -> str:
    """What is told where a split is not there: the command that makes it."""
    known = Path(folder).parent.name == "movielens-100k"
    return f"{folder}: no data here; make it with: python -m tools.preprocess {'movielens-100k' if known else '--help'}"


def read_meta(split_folder) -> dict:
    """`meta.yaml` of the data set that a split belongs to; empty where there is none."""
    path = Path(split_folder).parent / "meta.yaml"
    if not path.is_file():
        return {}
    try:
        meta = load_yaml(decode(read_bounded(path, LARGEST), path))
    except ValueError:
        meta = None
    if not isinstance(meta, dict):
        raise UserError(f"{path}: not what tools.preprocess writes; run it again")
    if (protocol := meta.get("protocol", "comirec")) not in (known := [*EVALUATION_CUTS, *WRITTEN_CUTS]):
        raise UserError(f"{path}: protocol {shown(protocol)!r} is not one of {', '.join(known)}")
    return meta


def write_split(folder, users, items: Ragged, times) -> dict:
    """Write a split and give its entry for `meta.yaml`: users, interactions and the checksum of each file.

    Args:
        folder: to make.
        users: `[U]`.
        items: a row a user, oldest first.
        times: `[E]`, as items.values, int64 or float64; fractions of a second are written in full.
    """
    return write_stretches(folder, users, items.lengths, [(items, times)], whole=is_whole(times))


def is_whole(times) -> bool:
    """Whether no time has a fraction."""
    return times.dtype.kind != "f" or np.array_equal(times, np.floor(times))


def write_stretches(folder, users, lengths, stretches: Iterable[tuple[Ragged, np.ndarray]], *, whole) -> dict:
    """As `write_split`, from pieces: `(items, times)` of some users after the other, of the `lengths` `[U]`.

    Args:
        whole: write times without a fraction.
    """
    folder.mkdir(parents=True)
    offsets = ragged(lengths, None).offsets
    save_array(folder / "users.npy", np.asarray(users, np.int64))
    save_array(folder / "offsets.npy", offsets)
    header = {"descr": "<i4", "fortran_order": False, "shape": (int(offsets[-1]),)}
    form, first = f"%d,%d,{'%d' if whole else '%s'}\n", 0
    with open(folder / CSV_NAME, "w", encoding="utf-8", newline="") as text, open(folder / "items.npy", "wb") as array:
        np.lib.format.write_array_header_1_0(array, header)
        for items, times in stretches:
            append(array, items.values.astype("<i4"))
            user = np.repeat(users[first : first + len(items.lengths)], items.lengths)
            first += len(items.lengths)
            for part in pieces(len(user), TEXT_ROWS):
                rows = np.stack([user[part], items.values[part], times[part]], axis=1)  # int64 or float64, as times
                text.write(form * len(rows) % tuple(rows.ravel().tolist()))
    return {"users": len(users), "interactions": int(offsets[-1]), "sha256": _checksums(folder)}


def write_history(folder, lengths) -> dict:
    """Write how many of each user's first items are the history, `[U]`; gives the checksum of the file."""
    save_array(folder / HISTORY, np.asarray(lengths, np.int64))
    return {HISTORY: sha256(folder / HISTORY)}


def _read_cut(files) -> tuple[Sequences, np.ndarray]:
    """Users' items, and how many of each user's are the history, as `write_history` wrote it.

    Raises:
        UserError: where anything was changed since: the text alone does not say the cut.
    """
    folder = Path(files[0]).parent
    sequences = _read_arrays(folder) if [Path(one).name for one in files] == [CSV_NAME] else None
    if sequences is None or not (folder / HISTORY).is_file():
        told = "changed since the data set was prepared, so what is history and what is target is not known"
        raise UserError(f"{folder}: {told}; restore the files, or prepare it again")
    return sequences, load_array(folder / HISTORY, "prepare the data set again")


def _checksums(folder):
    names = [*FILES, *([HISTORY] if (folder / HISTORY).is_file() else [])]
    return {name: sha256(folder / name) for name in names}


def read_sequences(files, item_count) -> Sequences:
    """Users' items from the files of a split.

    The arrays beside the CSV serve where count and checksum in `meta.yaml` match; the CSV is parsed otherwise.

    Args:
        files: text files of one folder, as `data_files` gives them.
        item_count: rows of the item table; every id is from 1 to below it.

    Raises:
        UserError: for an unreadable, empty or malformed file or an id out of range, with file and line.
    """
    folder = Path(files[0]).parent
    sequences = _read_arrays(folder) if [Path(one).name for one in files] == [CSV_NAME] else None
    if sequences is None:
        return parse_sequences(files, item_count)
    check_items(folder / CSV_NAME, sequences.items.values, item_count)
    return sequences


def _read_arrays(folder):
    try:
        entry = read_meta(folder)["splits"][folder.name]
        whole = all((folder / name).is_file() for name in FILES)  # and no device, which has no end
        if not whole or entry["sha256"] != _checksums(folder):
            return None
        users, items, offsets = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS)
        counted = (
            len(users) == entry["users"] == len(offsets) - 1 and len(items) == entry["interactions"] == offsets[-1]
        )
    except (OSError, LookupError, TypeError, ValueError):
        return None  # not ours, or not whole: the text is what counts
    return Sequences(users, Ragged(items, np.asarray(offsets))) if counted else None


def read_evaluation(files, item_count) -> tuple[Evaluation, int]:
    """Histories and targets of a split's users, by the protocol in its `meta.yaml` (`comirec` where there is none).

    `comirec`: the first `int(0.8 · length)` items are the history, all the rest the targets. `mind`, `leave_one_out`:
    the last item is the target. `time`, `random`: an array beside the items says it. Files in PaddleRec's evaluation
    format say it themselves.

    Returns:
        `(evaluation, short)`: `short` users without any history or any target are left out; without a history they
        stay where the data set was prepared with `--cold keep`.

    Raises:
        UserError: as `read_sequences`.
    """
    alone = False
    if is_evaluation(files[0]):
        evaluation = parse_evaluation(files, item_count)
    else:
        meta = read_meta(Path(files[0]).parent)
        protocol = meta.get("protocol", "comirec")
        users, items = read_sequences(files, item_count)
        if protocol in EVALUATION_CUTS:
            kept = EVALUATION_CUTS[protocol](items.lengths)
        else:
            (users, items), kept = _read_cut(files)
            alone = isinstance(options := meta.get("protocol_options"), dict) and options.get("cold") == "keep"
        history = items.spans(items.offsets[:-1], kept)
        evaluation = Evaluation(users, history, items.spans(items.offsets[:-1] + kept, items.lengths - kept))
    usable = np.flatnonzero(((evaluation.history.lengths > 0) | alone) & (evaluation.target.lengths > 0))
    short = len(evaluation.users) - len(usable)
    users, history, target = evaluation
    return Evaluation(users[usable], history.take(usable), target.take(usable)), short


def read_categories(folder, item_count) -> np.ndarray | None:
    """Category of each row of the item table, `[item_count]`, -1 for none; None where the folder has no such file.

    Rows past the data set's items have none.

    Raises:
        UserError: for a file that is not an array of at most `item_count` whole numbers.
    """
    path = Path(folder) / "item_category.npy"
    if not path.is_file():
        return None
    category = load_array(path, "run tools.preprocess again")
    if category.ndim != 1 or category.dtype.kind != "i" or len(category) > item_count:
        rule = f"it must have at most item_count = {item_count} whole numbers"
        raise UserError(f"{path}: {category.dtype} {list(category.shape)}; {rule}; run tools.preprocess again")
    return np.pad(category, (0, item_count - len(category)), constant_values=-1)


def write_map(path, header, names):
    """Write `number,name` rows, for example our item ids and the user's own."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(names)


def read_map(path, column="original") -> dict[int, str]:
    """Our ids and the user's own from a map that `write_map` wrote; empty where there is none.

    Args:
        path: of the map.
        column: what its header calls the names.

    Raises:
        UserError: for a file without the header, a row that is no pair of an id and a name, or one that occurs twice.
    """
    if not Path(path).is_file():
        return {}
    rows = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        if next(rows, [])[1:] != [column]:
            raise ValueError("no header")
        pairs = [(int(number), name) for number, name in rows]
    except (ValueError, csv.Error):
        raise UserError(f"{path}:{max(rows.line_num, 1)}: not as tools.preprocess writes it; run it again") from None
    names = dict(pairs)
    if len(names) < len(pairs) or len(set(names.values())) < len(pairs):
        raise UserError(f"{path}: an id occurs twice; run tools.preprocess again")
    return names
