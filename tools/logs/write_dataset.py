"""A prepared log to the data set on disk."""

from pathlib import Path

import numpy as np
import yaml

from tools.common.ragged import Ragged, ragged
from tools.common.written import save_array
from tools.data.dataset import is_whole, write_history, write_map, write_stretches
from tools.data.features import QUERIES
from tools.data.identity import of_prepared
from tools.logs import extend
from tools.logs.interactions import Interactions
from tools.logs.protocol import Prepared, events, protocol_meta
from tools.logs.ties import tied


def write_dataset(
    folder: Path, prepared: Prepared, log: Interactions, protocol, events=events, base=None, known=None
) -> dict:
    """Write splits, maps, attributes and `meta.yaml` into an empty folder; gives the content of `meta.yaml`.

    `events` is `tools.logs.protocol.events`, or what another engine has in its place; `base` and `known` are what
    `tools.logs.extend` gives for a data set that goes on from another.
    """
    splits, ties = _write_splits(folder, prepared, log, events)
    item_names, user_names = log.item_names[prepared.item_codes], log.user_names[prepared.user_codes]
    write_map(folder / "item_map.csv", ("item", "original"), enumerate(item_names, 1))
    write_map(folder / "user_map.csv", ("user", "original"), enumerate(user_names))
    write_features(folder, log, prepared.item_codes, prepared.user_codes)
    meta = {
        "source": log.source,
        **protocol_meta(protocol),
        "users": len(user_names),
        "item_count": len(item_names) + 1,
        "interactions": int(prepared.lengths.sum()) - sum(prepared.plan.dropped.values()),
        "ties": {"order": log.ties, "events": ties},
        "dropped": prepared.dropped,
        "splits": splits,
        "identity": of_prepared(folder, base and base.identity),
    }
    if base is not None:
        if base.splits:
            users = {name: one.users for name, one in prepared.plan.splits.items()}
            extend.write_splits(folder, base, users, len(user_names))
        gone = extend.untrained(log, prepared, base)
        meta["extends"] = extend.entry(folder, base, known, prepared.lengths, len(item_names), gone)
    (folder / "meta.yaml").write_text(yaml.safe_dump(meta, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return meta


def _write_splits(folder, prepared, log, events):
    whole, splits, ties = is_whole(log.time), {}, [0]
    asked: list[np.ndarray] = []  # numbers of the queries of all events written
    for name, split in prepared.plan.splits.items():
        pieces = _chosen_events(events(log, prepared, split.users), split, log.query, asked, ties)
        splits[name] = write_stretches(folder / name, split.users, split.lengths, pieces, whole=whole)
        if split.history is not None:
            splits[name]["sha256"] |= write_history(folder / name, split.history)
        splits[name] |= prepared.plan.told.get(name, {})
    if log.query_words is not None:
        codes, rows = np.unique(np.concatenate(asked), return_inverse=True)
        bounds = np.cumsum([one["interactions"] for one in splits.values()])
        for name, numbers in zip(splits, np.split(rows, bounds[:-1]), strict=True):
            _write_attributes(folder / name / QUERIES, {"query": log.query_words}, codes, numbers)
    return splits, ties[0] if prepared.plan.ties is None else prepared.plan.ties


def _chosen_events(stretches, split, query, asked, ties):
    """`(items, times)` of the events of each user that a split has.

    The list `asked` gets their queries' numbers, `ties[0]` counts the events that share their time with another.
    """
    user = 0
    for found in stretches:
        some = split.lengths[user : user + len(found.items.lengths)]
        user += len(some)
        if split.choose is None:
            index = Ragged(np.arange(len(found.times)), (start := found.items.offsets)).spans(start[:-1], some).values
        else:
            index = split.choose(found)
        items, times = ragged(some, found.items.values[index]), found.times[index]
        if query is not None:
            asked.append(query[found.rows[index]])
        same = tied(items.rows, times)
        ties[0] += int((same | np.append(same[1:], False)).sum())
        yield items, times


def write_features(folder: Path, log: Interactions, item_codes, user_codes):
    """Write what a log says of its items and users, of those codes that the data set has."""
    _write_attributes(folder / "item_attributes.npz", log.item_attributes, item_codes)
    _write_attributes(folder / "user_attributes.npz", log.user_attributes, user_codes)
    if log.item_category is not None:
        _write_categories(folder, log.item_category[item_codes])


def _write_attributes(path, attributes, codes, rows=None):
    """Each attribute as `NAME.values` (numbers into `NAME.names`) and `NAME.offsets`, a row an item or user.

    Args:
        path: the .npz file.
        attributes: name -> texts of each code.
        codes: of what the data set holds; their texts are the names.
        rows: which of the codes to write, by their place; None: all.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, texts in attributes.items():
        known = texts.take(codes)
        names, values = np.unique(known.values, return_inverse=True)
        known = Ragged(values.astype(np.int32), known.offsets)
        some = known if rows is None else known.take(rows)
        arrays |= {
            f"{name}.names": np.array(names.tolist(), str),
            f"{name}.values": some.values,
            f"{name}.offsets": some.offsets,
        }
    if arrays:
        np.savez(path, **arrays)  # type: ignore[arg-type]


def _write_categories(folder, texts):
    """`item_category.npy`: category of each row of the item table, -1 for none; `category_map.csv`: their names."""
    filled = texts != ""
    names, numbers = np.unique(texts[filled], return_inverse=True)
    category = np.full(len(texts), -1)
    category[filled] = numbers
    save_array(folder / "item_category.npy", np.concatenate([[-1], category]).astype(np.int32))
    write_map(folder / "category_map.csv", ("category", "name"), enumerate(names))
