"""Leave-one-out: each user's last item is test's target and the one before it valid's, as in SASRec and BERT4Rec."""

from dataclasses import dataclass

import numpy as np

from tools.logs.protocols.plan import HISTORY, NEITHER, TARGET, Plan, plan_events

SHORTEST = 3  # items of a user who is asked; those with fewer train only


@dataclass(frozen=True)
class LeaveOneOut:
    """Training on the rest of all users.

    Strict, the default: the tested model never saw the valid item, which at test time stands in the history. Full: it
    was trained on everything but the test item. There is no valid split then, so the strict form chooses the settings
    and the number of epochs.

    Args:
        full: the full form.
    """

    name = "leave_one_out"
    seed = None
    full: bool = False

    def plan(self, log, lengths, stretches) -> Plan:
        """The splits of all users."""
        return plan_events(self._kinds, stretches, len(log.item_names))

    def _kinds(self, events):
        lengths = events.items.lengths[events.items.rows]
        left = lengths - np.arange(len(lengths)) + events.items.offsets[:-1][events.items.rows]  # 1: the last
        short = lengths < SHORTEST
        tested = {"valid": 2, "test": 1} if not self.full else {"test": 1}
        first = np.where(short, 0, max(tested.values()))  # the last event that training may not see, from the end
        kinds = {"train": np.where(left > first, HISTORY, NEITHER)}
        for name, place in tested.items():
            kind = np.where(left > place, HISTORY, np.where(left == place, TARGET, NEITHER))
            kinds[name] = np.where(short, NEITHER, kind)
        return kinds
