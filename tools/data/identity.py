"""Which data set a number comes from: ids are numbers to a model, so the same number must be the same item.

A data set's identity is a digest of its item map and one of its training split, in `meta.yaml`, and for one that
extends another the item maps that it grew from. Checkpoints and exports carry it as `identity.json`. PaddleRec's own
folders have no map: what their training files hold stands in for it.
"""

import json
import logging
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tools.common import replacing
from tools.common.errors import UserError
from tools.common.files import digest, read_text, sha256, shown
from tools.common.ragged import Ragged
from tools.data.dataset import data_files, read_meta

NAME = "identity.json"
MAP = "item_map.csv"


class Identity(NamedTuple):
    """What is known of a data set; a digest is None where it is not known."""

    folder: str = ""  # where it was
    source: str = ""  # the log that it was made from
    item_map: str | None = None
    files: str | None = None  # the training files' bytes, where there is no map
    train: str | None = None  # users and items of the training split, in their order, and features that are read
    bases: tuple[str, ...] = ()  # item maps that items were added to, the first one first

    @property
    def told(self) -> str:
        """For a message."""
        kind, code = ("item map", self.item_map) if self.item_map else ("training files", self.files)
        origin = f"{self.source}, " if self.source else ""
        return f"{self.folder} ({origin}{kind} {code})" if code else f"{self.folder} (which has no {MAP})"


def read_identity(splits: Iterable[str | Path], *, files=False) -> Identity:
    """The identity of the data sets of some splits, which must have one item map; without training's digest.

    Args:
        splits: folders, the training split's first; what doesn't exist is passed over.
        files: whether the training files are summed where there is a map, too.

    Raises:
        UserError: where their maps differ, or one is not as it was prepared.
    """
    folders = [Path(one) for one in splits]
    known = [one for one in map(_of_folder, dict.fromkeys(one.parent for one in folders)) if one]
    for other in known[1:]:
        if other.item_map != known[0].item_map:
            raise UserError(
                f"the splits are of two data sets, {known[0].told} and {other.told}: an id means another item in each; "
                "give splits of one"
            )
    there = [one for one in folders if one.is_dir()]
    if not known:
        known = [Identity(str(there[0].parent), _source(there[0]))] if there else [Identity()]
    return known[0]._replace(files=_files(folders[0])) if files or not known[0].item_map else known[0]


def _of_folder(folder) -> Identity | None:
    """Of a data set with an item map; None for another."""
    replacing.restore(folder)
    path, prepared = folder / MAP, read_meta(folder / "train").get("identity")
    wanted = prepared.get("item_map") if isinstance(prepared, dict) else None
    found = map_digest(folder)
    if wanted not in (None, found):
        state = f"changed since the data set was prepared (now {found}, then {shown(wanted)})" if found else "missing"
        raise UserError(f"{path}: {state}, so ids may mean other items; restore it, or prepare the data set again")
    if not found:
        return None
    return Identity(str(folder), _source(folder / "train"), item_map=found, bases=_bases(prepared))


def _bases(prepared) -> tuple[str, ...]:
    bases = prepared.get("bases", []) if isinstance(prepared, dict) else []
    return tuple(map(str, bases)) if isinstance(bases, list) else ()


def _source(split):
    source = read_meta(split).get("source")
    name = source.get("name", "") if isinstance(source, dict) else ""
    return shown(name) if isinstance(name, str) else ""


def _files(train) -> str | None:
    """Digest of the training files' bytes; None where there are none."""
    if not train.is_dir():
        return None
    return digest(*(_sum(path).encode() for path in data_files(train)))


def _sum(path) -> str:
    """SHA-256 of a file, summed once in a process as long as it is the same file."""
    state = Path(path).stat()
    return _summed(str(path), state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@lru_cache(maxsize=256)
def _summed(path, *_):
    return sha256(path)


def with_training(identity: Identity, data, split, features: Iterable[Path]) -> Identity:
    """The identity with the digest of what training reads.

    Args:
        identity: the data set's.
        data: the reader; where it does not show `user` and `items` as ours does, the files' bytes count.
        split: folder of the training split.
        features: files of features that are read.
    """
    items, user = getattr(data, "items", None), getattr(data, "user", None)
    if isinstance(items, Ragged) and isinstance(user, np.ndarray):
        own: str | None = training_digest(user, items.offsets, items.values)
    else:
        own = _files(Path(split))
    sums = [_sum(path).encode() for path in features]
    return identity._replace(train=digest(str(own).encode(), *sums) if sums else own)


def training_digest(users, offsets, items) -> str:
    """Digest of a split: users `[U]`, where each one's items begin `[U + 1]`, items."""
    return digest(np.asarray(users, "<i8"), np.asarray(offsets, "<i8"), np.asarray(items, "<i4"))


def of_prepared(folder, base: Identity | None = None) -> dict:
    """`identity` of `meta.yaml`, from the files of a data set and the identity of the one that it extends."""
    users, offsets, items = (
        np.load(folder / f"train/{name}.npy", mmap_mode="r") for name in ("users", "offsets", "items")
    )
    own = {"item_map": map_digest(folder), "train": training_digest(users, offsets, items)}
    if base is None:
        return own
    return own | {"bases": [one for one in (*base.bases, base.item_map) if one != own["item_map"]]}


def find_map(folder, carried: Identity) -> Path | None:
    """The item map that a checkpoint was trained with: its own copy, or where its data set was; None where it is gone.

    Args:
        folder: of the checkpoint.
        carried: its identity.
    """
    for place in (folder, carried.folder):
        if carried.item_map and place and map_digest(place) == carried.item_map:
            return Path(place) / MAP
    return None


def map_digest(folder) -> str | None:
    """Digest of the item map of a data set or an export; None where it has none."""
    path = Path(folder) / MAP
    return _sum(path)[:16] if path.is_file() else None


def write(folder, identity: Identity):
    """Write `identity.json`."""
    text = json.dumps(identity._asdict(), indent=1, ensure_ascii=False) + "\n"
    (Path(folder) / NAME).write_text(text, encoding="utf-8")


def read(folder) -> Identity | None:
    """What a checkpoint or export carries; None for one of another time or program.

    Raises:
        UserError: for a file that `write` did not write.
    """
    path = Path(folder) / NAME
    if not path.is_file():
        return None
    try:
        found = json.loads(read_text(path))
        bases = found.pop("bases", [])
        if not all(isinstance(one, str) for one in bases) or not all(
            one is None or isinstance(one, str) for one in found.values()
        ):
            raise TypeError("texts are expected")
        return Identity(**found, bases=tuple(bases))
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not what a checkpoint or export holds ({shown(error, 200)}); use a copy") from None


def check(folder, carried: Identity, found: Identity, *, going_on=False):
    """Refuse a data set whose ids are not those of a model; what cannot be known is told.

    Args:
        folder: of the model.
        carried: what it carries.
        found: of the data set; with `files` where `carried` has them.
        going_on: training goes on, perhaps with a data set that extends the model's, or with new files: without a map
            nothing tells whether ids mean the same.

    Raises:
        UserError: with both.
    """
    if carried.item_map and found.item_map:
        same, fix = found.item_map in (carried.item_map, *carried.bases), "the data set"
        same = same or (going_on and carried.item_map in found.bases)
    elif carried.files and found.files:
        same, fix = found.files == carried.files, "as runner.train_data_dir the files"
        if not same and going_on:
            logging.warning(
                "%s: trained on %s, now on %s; right if ids mean the same", folder, carried.told, found.told
            )
            return
    elif carried.item_map and found.folder:
        same, fix = False, "the data set"
    else:
        if found.folder:
            logging.warning("%s: trained on %s, which nothing here can be held against", folder, carried.told)
        return
    if not same:
        raise UserError(
            f"{folder}: trained on {carried.told}, and this is {found.told}: an id means another item there; "
            f"give {fix} that it was trained on, or train again"
            + (", or set runner.init_by to original_id" if going_on and carried.item_map and found.item_map else "")
        )


def warn_unknown(folder, carried: Identity | None):
    """Say that a model doesn't say what it was trained on."""
    if carried is None:
        logging.warning("%s: has no %s, so its data set cannot be checked; it is taken as given", folder, NAME)
