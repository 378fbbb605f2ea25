"""A random share of each user's items as targets: for comparison with papers that do so.

The order of time is lost: a model that is measured so has seen its users' future.
"""

from dataclasses import dataclass

import numpy as np

from tools.common.errors import UserError
from tools.logs.protocols.plan import HISTORY, NEITHER, TARGET, Plan, plan_events, same_options
from tools.logs.ties import checksums, lots

SHORTEST = 3  # different items of a user who is asked; those with fewer train only


@dataclass(frozen=True)
class Random:
    """Each user's different items are drawn to test, valid and training, an item with all its events.

    A user with three items or more has at least one in each that is asked for. The draw depends on nothing but the ids.
    At test time valid's items stand in the history. In a data set that goes on from another each item of a user stays
    where it was, and the new ones, in the order of their draw, fill up what test and then valid lack of their shares.

    Args:
        test_share, valid_share: of a user's different items; a `valid_share` of 0 makes no valid split.
    """

    name = "random"
    seed = 1230  # that of the ties' draw
    test_share: float = 0.1
    valid_share: float = 0.1

    def __post_init__(self):
        if not (self.test_share > 0 and self.valid_share >= 0 and self.test_share + self.valid_share <= 0.9):
            told = f"--test-share {self.test_share:g} and --valid-share {self.valid_share:g}"
            raise UserError(f"{told}: at least 0.1 must be left for training, and something for the test")

    def going_on(self, meta):
        """The same protocol; a `UserError` for one with other shares than the data set of this `meta.yaml`."""
        return same_options(self, meta)

    def plan(self, log, lengths, stretches, earlier=None) -> Plan:
        """The splits of all users; what was in one `earlier` stays there."""

        def kinds(events):
            part = self._parts(
                log, events, np.full(len(events.times), -1) if earlier is None else earlier.parts(events)
            )
            found = {"train": np.where(part == 0, HISTORY, NEITHER)}
            if self.valid_share:
                found["valid"] = np.select([part == 0, part == 1], [HISTORY, TARGET], NEITHER)
            return found | {"test": np.where(part == 2, TARGET, HISTORY)}

        return plan_events(kinds, stretches, len(log.item_names))

    def _parts(self, log, events, kept):
        """0, 1 or 2 for training, valid and test, of each event `[E]`; `kept` `[E]`: those that stay, -1 for none."""
        rows, users = events.items.rows, len(events.items.lengths)
        item, user = (checksums(names, codes[events.rows]) for names, codes in
                      ((log.item_names, log.item), (log.user_names, log.user)))  # fmt: skip
        lot = lots(item, user)  # the pair the other way about than ties have it
        order = np.lexsort((lot, rows))
        new = np.ones(len(order), bool)
        new[1:] = (lot[order][1:] != lot[order][:-1]) | (rows[order][1:] != rows[order][:-1])
        first = order[new]  # an event of each item of each user
        number, fresh = (np.bincount(rows[some], minlength=users) for some in (first, first[kept[first] < 0]))
        place = np.empty(len(order), np.int64)
        place[order] = np.cumsum(new & (kept[order] < 0)) - 1
        place -= (np.cumsum(fresh) - fresh)[rows]  # of a new item in the user's draw, from 0
        end, ends = np.zeros(users, np.int64), []
        for part, share in ((2, self.test_share), (1, self.valid_share)):
            asked = np.where(number >= SHORTEST, np.maximum((share * number).astype(np.int64), bool(share)), 0)
            have = np.bincount(rows[first[kept[first] == part]], minlength=users)
            end = np.minimum(end + np.maximum(asked - have, 0), fresh)
            ends.append(end[rows])
        return np.where(kept < 0, np.select([place < end for end in ends], [2, 1], 0), kept)
