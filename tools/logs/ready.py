"""A log that others have split already, in its own ids: maps and folders as of any other data set."""

from pathlib import Path

import numpy as np
import polars
import yaml

from tools.common import progress
from tools.common.errors import UserError
from tools.common.files import atomic_folder, scratch_folder, sha256
from tools.common.ragged import ragged
from tools.common.replacing import writing
from tools.data.dataset import EVALUATION_CUTS, write_map, write_split
from tools.data.identity import of_prepared
from tools.logs import extend as grow
from tools.logs.align import align, renumber
from tools.logs.engine import read_log
from tools.logs.interactions import Interactions
from tools.logs.replaced import check_kept
from tools.logs.tables import join
from tools.logs.ties import draw, tied
from tools.logs.write_dataset import write_features

NAME = "evaluation.txt"


def build_ready(
    output: Path, logs, form, *, protocol="comirec", ties="draw", files=None, tables=(), overwrite=False, extend=None
) -> dict:
    """Write the folder of a data set from the logs of its splits, all their events kept.

    Users of valid or test who have events in an earlier split are asked for the later ones, after these; of others the
    first events are the history, as the protocol cuts them. Items are numbered by falling count in train.

    Args:
        output: the folder.
        logs: paths of train and test, or of train, valid and test.
        form: of them all.
        protocol: for users whom no earlier split knows.
        ties: draw or file.
        files: the `Source`s of each; None: those of the paths.
        tables: second files, as `tools.logs.tables.join` takes them.
        overwrite: see `tools.logs.replaced`.
        extend: folder of the data set whose users and items keep their numbers, see `tools.logs.extend`.

    Returns:
        The content of `meta.yaml`, with `notes`.
    """
    if len(logs) not in (2, 3):
        raise UserError(f"{len(logs)} files: a split is TRAIN TEST or TRAIN VALID TEST")
    names = ("train", "valid", "test") if len(logs) == 3 else ("train", "test")
    with progress.logging_to_terminal(), writing(output), scratch_folder(output) as scratch:
        base, read = grow.open_base(extend, protocol, ready=True), []
        for number, (name, path) in enumerate(zip(names, logs, strict=True)):
            (scratch / name).mkdir()
            read.append(read_log(path, form, scratch / name, None if files is None else files[number]))
        whole, part = _joined(read)
        whole.ties = ties
        for table in tables:
            join(whole, *table)
        if known := align(whole, base):
            renumber(whole, known)
        with progress.stage(f"write {output}", quick=0), atomic_folder(output) as folder:
            meta = _write(folder, whole, part, names, protocol, base, known)
            check_kept(output, folder, overwrite=overwrite)
    return meta | {"notes": whole.notes}


def _joined(logs) -> tuple[Interactions, np.ndarray]:
    """All events as one log, items numbered by falling count in the first, and which log each is of."""
    part = np.repeat(np.arange(len(logs)), [len(one.item) for one in logs])
    user, users = _one_numbering([one.user_names for one in logs], [one.user for one in logs])
    item, items = _one_numbering([one.item_names for one in logs], [one.item for one in logs])
    count = np.bincount(item[part == 0], minlength=len(items))
    order = np.argsort(-count, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    kinds = {one.time.dtype.kind for one in logs}
    time = np.concatenate([one.time.astype(np.float64) if "f" in kinds else one.time for one in logs])
    whole = Interactions(user, rank[item], time, users, items[order], {}, notes=logs[0].notes)
    whole.source = {"name": ", ".join(one.source["name"] for one in logs)}
    whole.source["sha256"] = ", ".join(one.source["sha256"] for one in logs)
    for one in logs:
        whole.dropped = {reason: whole.dropped.get(reason, 0) + rows for reason, rows in one.dropped.items()}
    fresh = count == 0
    if unknown := int(fresh[item[part > 0]].sum()):
        whole.notes.append(f"warning: {unknown} later events are of the {int(fresh.sum())} items that train has not")
    return whole, part


def _one_numbering(names, codes):
    """Codes and names over several logs, by first appearance."""
    texts = polars.Series(np.concatenate(names).tolist(), dtype=polars.String)
    distinct = texts.unique(maintain_order=True)
    table = polars.DataFrame({"name": distinct, "code": np.arange(len(distinct))})
    number = (
        polars.DataFrame({"name": texts}).join(table, on="name", how="left", maintain_order="left")["code"].to_numpy()
    )
    bounds = np.cumsum([0, *map(len, names)])
    return np.concatenate([number[start + one] for start, one in zip(bounds, codes, strict=False)]), distinct.to_numpy()


def _write(folder, log, part, names, protocol, base, known) -> dict:
    splits = {}
    rows = np.lexsort((log.time, part, log.user))  # of a user: train, then valid, then test
    same = tied(log.user[rows] * len(names) + part[rows], log.time[rows])
    rows = draw(log, rows, same) if log.ties == "draw" else rows
    for number, name in enumerate(names):
        some = rows[part[rows] <= number]
        if number == 0:
            users, lengths = np.unique(log.user[some], return_counts=True)
            splits[name] = write_split(folder / name, users, ragged(lengths, log.item[some] + 1), log.time[some])
        else:
            splits[name] = _write_evaluation(
                folder / name, log.user[some], log.item[some] + 1, part[some] == number, protocol
            )
    write_map(folder / "item_map.csv", ("item", "original"), enumerate(log.item_names, 1))
    write_map(folder / "user_map.csv", ("user", "original"), enumerate(log.user_names))
    write_features(folder, log, np.arange(len(log.item_names)), np.arange(len(log.user_names)))
    ties = int((same | np.append(same[1:], False)).sum())
    meta = {
        "source": log.source, "protocol": protocol, "split": "ready-made", "users": len(log.user_names),
        "item_count": len(log.item_names) + 1, "interactions": len(log.item),
        "ties": {"order": log.ties, "events": ties}, "dropped": log.dropped, "splits": splits,
        "identity": of_prepared(folder, base and base.identity),
    }  # fmt: skip
    if base is not None:
        lengths = np.bincount(log.user, minlength=len(log.user_names))
        meta["extends"] = grow.entry(folder, base, known, lengths, len(log.item_names))
    (folder / "meta.yaml").write_text(yaml.safe_dump(meta, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return meta


def _write_evaluation(folder, user, item, late, protocol):
    """Write users with events of a later split, in PaddleRec's form; gives the entry for `meta.yaml`.

    Args:
        folder: to make.
        user, item: `[E]`, sorted by user, each one's earlier events first.
        late: bool `[E]`, the events of this split.
        protocol: of users who have no others.
    """
    users, start, lengths = np.unique(user, return_index=True, return_counts=True)
    asked = np.add.reduceat(late, start, dtype=np.int64) if len(users) else lengths
    kept = np.where(asked < lengths, lengths - asked, EVALUATION_CUTS[protocol](lengths))
    place = np.arange(len(user)) - np.repeat(start, lengths)
    words = polars.DataFrame({"user": user, "item": item, "target": place >= np.repeat(kept, lengths)})
    words = words.filter(polars.Series(np.repeat(asked > 0, lengths)))
    word = polars.format(
        "{}:{}", polars.when("target").then(polars.lit("eval_item")).otherwise(polars.lit("hist_item")), "item"
    )
    lines = words.group_by("user", maintain_order=True).agg(word.str.join(" ").alias("words"))
    folder.mkdir()
    text = "".join(f"user_id:{user} target_item:0 {told}\n" for user, told in lines.iter_rows())
    (folder / NAME).write_text(text, encoding="utf-8", newline="")
    return {"users": len(lines), "interactions": int(late.sum()), "sha256": {NAME: sha256(folder / NAME)}}
