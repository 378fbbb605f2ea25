"""A random share of each user's items as targets: for comparison with papers that do so.

The order of time is lost: a model that is measured so has seen its users' future.
"""

from dataclasses import dataclass

import numpy as np

from tools.common.errors import UserError
from tools.logs.protocols.plan import HISTORY, NEITHER, TARGET, Plan, plan_events
from tools.logs.ties import checksums, lots

SHORTEST = 3  # different items of a user who is asked; those with fewer train only


@dataclass(frozen=True)
class Random:
    """Each user's different items are drawn to test, valid and training, an item with all its events.

    A user with three items or more has at least one in each that is asked for. The draw depends on nothing but the ids.
    At test time valid's items stand in the history.

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

    def plan(self, log, lengths, stretches) -> Plan:
        """The splits of all users."""

        def kinds(events):
            part = self._parts(log, events)
            found = {"train": np.where(part == 0, HISTORY, NEITHER)}
            if self.valid_share:
                found["valid"] = np.select([part == 0, part == 1], [HISTORY, TARGET], NEITHER)
            return found | {"test": np.where(part == 2, TARGET, HISTORY)}

        return plan_events(kinds, stretches, len(log.item_names))

    def _parts(self, log, events):
        """0, 1 or 2 for training, valid and test, of each event `[E]`."""
        rows, users = events.items.rows, len(events.items.lengths)
        item, user = (checksums(names, codes[events.rows]) for names, codes in
                      ((log.item_names, log.item), (log.user_names, log.user)))  # fmt: skip
        lot = lots(item, user)  # the pair the other way about than ties have it
        order = np.lexsort((lot, rows))
        new = np.ones(len(order), bool)
        new[1:] = (lot[order][1:] != lot[order][:-1]) | (rows[order][1:] != rows[order][:-1])
        number = np.bincount(rows[order][new], minlength=users)  # different items of each user
        place = np.empty(len(order), np.int64)
        place[order] = np.cumsum(new) - 1
        place -= (np.cumsum(number) - number)[rows]  # of the item in the user's draw, from 0
        asked = [np.where(number >= SHORTEST, np.maximum((share * number).astype(np.int64), bool(share)), 0)
                 for share in (self.test_share, self.valid_share)]  # fmt: skip
        return np.select([place < asked[0][rows], place < (asked[0] + asked[1])[rows]], [2, 1], 0)
