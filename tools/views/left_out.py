"""What a list of the explorer does not hold, and why."""

from typing import NamedTuple

import numpy as np


class LeftOut(NamedTuple):
    """Items that are not in the list, or not read, and why."""

    number: int
    why: str
    items: list[int]  # those that score high enough for the list, best first; our ids


def of_interests(found, scores, own, used, seen, listed, top_n) -> tuple[int, list[LeftOut]]:
    """How many items the interests that are used retrieve, and what they and the others would add to the list.

    Args:
        found, scores: `[K, depth]`, our ids, 0 for none, and their scores.
        own: `[K, depth]` bool, what each interest retrieves: its best N that may be listed.
        used: `[K]` bool, which interests retrieve.
        seen: our ids of the history that are left out.
        listed: scores of the list's items.
        top_n: N.
    """
    retrieved = np.unique(found[used][own[used]])
    off = own & ~np.isin(found, retrieved)
    again = np.isin(found, seen) & used[:, None]

    def best(some):
        order = np.argsort(-scores[some], kind="stable")
        items, first = np.unique(found[some][order], return_index=True)  # an item's largest score comes first
        first.sort()
        items, score = found[some][order][first], scores[some][order][first]
        above = (np.array(listed)[:, None] > score).sum(axis=0) + np.arange(len(items))  # that would stand before it
        return items[above < top_n].tolist()

    return len(retrieved), [
        LeftOut(len(np.unique(seen)), "already in the history", best(again)),
        LeftOut(len(np.unique(found[off])), "found only by interests that are switched off", best(off)),
    ]


def of_filters(catalogue, selection, item_num) -> list[LeftOut]:
    """How many items the chosen categories, and the filters of the command, do not let pass.

    Args:
        catalogue: the model's.
        selection: the items that may be listed; None: all.
        item_num: V.
    """
    passing = item_num if catalogue.base is None else len(catalogue.base.items)
    chosen = passing if selection is None else len(selection.items)
    return [
        LeftOut(passing - chosen, "not of the chosen categories", []),
        LeftOut(item_num - passing, "not let pass by --exclude, --allow or --category", []),
    ]
