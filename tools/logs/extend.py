"""A data set that goes on from another: users and items keep their numbers and their split, new ones come behind."""

import random
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tools.common.errors import UserError
from tools.common.files import load_array
from tools.common.written import save_array
from tools.data import identity
from tools.data.dataset import data_files, read_map, read_meta, read_sequences
from tools.logs.moments import moments_in
from tools.logs.protocol import Prepared, events
from tools.logs.protocols.by_user import SEED, ByUser
from tools.logs.protocols.earlier import Earlier
from tools.logs.replaced import lost

SPLITS = ("train", "valid", "test")
SPLIT_FILE = "user_split.npy"  # number in SPLITS of each user, also of those whose events have left the log
READY = "ready-made"  # `split` in the meta.yaml of `tools.preprocess split`


class Base(NamedTuple):
    """The data set that is extended."""

    folder: Path
    identity: identity.Identity
    items: np.ndarray  # own id of item 1, 2, …
    users: np.ndarray  # of user 0, 1, …
    splits: dict[str, np.ndarray]  # name -> its users in their order; empty where users are not cut by the protocol
    events: np.ndarray  # [U] interactions that are known of each user; empty for a ready-made split
    meta: dict  # its meta.yaml
    earlier: Earlier | None  # what it trained on, where users are not cut


def open_base(folder, protocol: str, *, cuts=True, ready=False) -> Base | None:
    """What `--extend FOLDER` names; None for None.

    Args:
        folder: of the data set.
        protocol: of the one that is to go on from it.
        cuts: whether that one's protocol cuts users.
        ready: whether that one's split is ready-made.

    Raises:
        UserError: for a folder that `tools.preprocess` did not write, another protocol, an edited map.
    """
    if folder is None:
        return None
    folder, meta = Path(folder), read_meta(Path(folder) / "train")
    if not meta.get("splits") or not all((folder / f"{kind}_map.csv").is_file() for kind in ("item", "user")):
        raise UserError(f"--extend {folder}: no data set of tools.preprocess; give the folder that has its meta.yaml")
    theirs = meta.get("protocol", "comirec")
    if theirs != protocol:
        raise UserError(f"--extend {folder}: prepared with --protocol {theirs}, and this is {protocol}; give the same")
    if (meta.get("split") == READY) != ready:
        how = "by a protocol, and these are split already" if ready else "ready-made; use tools.preprocess split"
        raise UserError(f"--extend {folder}: its split is {how}")
    known = identity.read_identity([folder / "train"])
    items, users = (_names(folder / f"{kind}_map.csv", first) for kind, first in (("item", 1), ("user", 0)))
    splits, lengths, earlier = {}, np.zeros(0, np.int64), None
    if not ready and cuts:
        splits, lengths = _users(folder, len(users), len(items) + 1)
    elif not ready:
        earlier = Earlier(folder, meta, len(items) + 1)
        lengths = _most_events(folder, meta["splits"], len(users), len(items) + 1)
    return Base(folder, known, items, users, splits, lengths, meta, earlier)


def _names(path, first):
    """Own ids in the order of their numbers."""
    names = read_map(path)
    if not names or list(names) != list(range(first, first + len(names))):
        raise UserError(f"{path}: not the numbers from {first} on, in order; prepare the data set again")
    return np.array(list(names.values()), object)


def _users(folder, user_num, item_count):
    """The users of each split, those without any event behind, and interactions `[U]` of each user."""
    splits, events, split = {}, np.zeros(user_num, np.int64), np.full(user_num, -1, np.int8)
    for number, name in enumerate(SPLITS):
        sequences = read_sequences(data_files(folder / name), item_count)
        splits[name] = np.asarray(sequences.users, np.int64)
        split[splits[name]], events[splits[name]] = number, sequences.items.lengths
    if (folder / SPLIT_FILE).is_file():
        gone, kept = split < 0, load_array(folder / SPLIT_FILE, "prepare the data set again")
        if kept.shape != split.shape or (kept != split)[~gone].any():
            raise UserError(f"{folder / SPLIT_FILE}: not the split that the data set has; prepare it again")
        split = kept
        splits = {name: np.append(splits[name], np.flatnonzero(gone & (split == n))) for n, name in enumerate(SPLITS)}
    if sum(map(len, splits.values())) != user_num or (split < 0).any():
        raise UserError(f"{folder}: its users are not each in one split; prepare it again")
    return splits, events


def _most_events(folder, splits, user_num, item_count):
    """Interactions of each user in the split that has most of them, `[U]`."""
    most = np.zeros(user_num, np.int64)
    for name in splits:
        sequences = read_sequences(data_files(folder / name), item_count)
        most[sequences.users] = np.maximum(most[sequences.users], sequences.items.lengths)
    return most


def extend(prepared: Prepared, base: Base | None, protocol) -> Prepared:
    """Users where the base has them, the others cut as `protocol` cuts users; another protocol's plan as it is.

    Users without any event left are in no split; `SPLIT_FILE` keeps theirs.
    """
    if base is None or not isinstance(protocol, ByUser):
        return prepared
    grown = cut_users(base.splits, len(prepared.user_codes), protocol.cuts)
    users = {name: some[prepared.lengths[some] > 0] for name, some in grown.items()}
    plan = protocol.split(users, prepared.lengths)
    return prepared._replace(plan=plan, dropped=prepared.dropped | plan.dropped)


def cut_users(splits, user_num, cuts) -> dict[str, np.ndarray]:
    """Splits with new users behind those whom they have.

    The new ones are shuffled as ever and fill up what all users together lack of the shares, so that few new users a
    day don't all end in one split.

    Args:
        splits: name -> users, 0 … of the base, each in one.
        user_num: of all users.
        cuts: at what shares of all users train and valid end.
    """
    known = sum(map(len, splits.values()))
    fresh = list(range(known, user_num))
    random.Random(SEED).shuffle(fresh)
    grown, start, filled = {}, 0, 0
    for name, share in zip(SPLITS, (*cuts, 1.0), strict=True):
        filled += len(splits[name])
        end = min(max(start, int(share * user_num) - filled), len(fresh))
        grown[name] = np.append(splits[name], np.array(fresh[start:end], np.int64))
        start = end
    return grown


def write_splits(folder, base: Base, splits, user_num):
    """Write the split of each user.

    Args:
        folder: of the data set.
        base: what it goes on from.
        splits: name -> users.
        user_num: of all users.
    """
    split = np.full(user_num, -1, np.int8)
    for users in (base.splits, splits):
        for number, name in enumerate(SPLITS):
            split[users[name]] = number
    save_array(folder / SPLIT_FILE, split)


def untrained(log, prepared: Prepared, base: Base) -> int:
    """How many events that the base trained on have left the log, where the protocol does not cut users."""
    if base.earlier is None:
        return 0
    known = np.arange(len(base.users))
    kept = sum(int(base.earlier.trained(some).sum()) for some in events(log, prepared, known))
    return len(base.earlier.train.items.values) - kept


def entry(folder, base: Base, known, lengths, item_num, gone=0) -> dict:
    """`extends` of meta.yaml: the base, and how many are new, absent or shorter than there.

    Args:
        folder: of the data set, its attributes in it.
        base: see there.
        known: what `tools.logs.align` gave.
        lengths: `[U]`, interactions of each user; those of a ready-made split are not compared.
        item_num: of all items.
        gone: what `untrained` gives.
    """
    old = {"users": len(base.users), "items": len(base.items), "interactions": base.meta["interactions"]}
    return {
        "folder": str(base.folder), "item_map": base.identity.item_map, **old,
        "new_users": len(lengths) - old["users"], "new_items": item_num - old["items"],
        "absent_users": known.absent["user"], "absent_items": known.absent["item"],
        "shorter_users": int((lengths[: len(base.events)] < base.events).sum()), "absent_trained": gone,
        "moments": moments_in(base.meta),
        "not_here": [one for one in lost(base.folder, folder) if ".npz:" in one or one == "item_category.npy"],
    }  # fmt: skip


def told(meta) -> list[str]:
    """Lines for people on `extends` of a meta.yaml; none where it is not there."""
    if not (one := meta.get("extends")):
        return []
    lines = [
        f"goes on from {one['folder']}: {one['users']} users and {one['items']} items keep their numbers, "
        f"{one['new_users']} users and {one['new_items']} items are new, {one['interactions']} interactions became "
        f"{meta['interactions']}"
    ]
    if one["absent_users"] or one["absent_items"]:
        lines.append(f"  {one['absent_users']} users and {one['absent_items']} items of it are not in this log")
    if one["shorter_users"]:
        lines.append(
            f"warning: {one['shorter_users']} users have fewer events here than in {one['folder']}; the log must hold "
            "the old events and the new ones"
        )
    if one["absent_trained"]:
        lines.append(
            f"warning: {one['absent_trained']} events that {one['folder']} trained on are not in this log; should they "
            "come back with a later one, they may become targets that a warm-started model was trained on"
        )
    lines += _targets(meta, one)
    if one["not_here"]:
        names = ", ".join(one["not_here"])
        lines.append(f"warning: {one['folder']} has {names}, which this log does not give")
    return lines


def _targets(meta, one):
    """What the base makes of targets."""
    moments = moments_in(meta)
    if moments and moments == one["moments"]:
        return ["its moments are kept: training ends where it did; --test-from or --test-share moves them on"]
    left_out = {name: split.get("left_out") for name, split in meta["splits"].items() if not moments}
    return [
        f"{name}: {number} users are not asked for an event that {one['folder']} trained on; it trains on"
        for name, number in left_out.items()
        if number
    ]
