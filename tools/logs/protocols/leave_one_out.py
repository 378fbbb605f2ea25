"""Leave-one-out: each user's last item is test's target and the one before it valid's, as in SASRec and BERT4Rec."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from tools.logs.protocols.plan import HISTORY, LEFT_OUT, NEITHER, TARGET, Plan, plan_events, same_options

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

    def going_on(self, meta):
        """The same protocol; a `UserError` for one in the other form than the data set of this `meta.yaml`."""
        return same_options(self, meta)

    def plan(self, log, lengths, stretches, earlier=None) -> Plan:
        """The splits of all users; a target that was trained on `earlier` is left out, and trains on."""
        return plan_events(partial(self._kinds, earlier), stretches, len(log.item_names))

    def _kinds(self, earlier, events):
        lengths = events.items.lengths[events.items.rows]
        left = lengths - np.arange(len(lengths)) + events.items.offsets[:-1][events.items.rows]  # 1: the last
        short = lengths < SHORTEST
        tested = {"valid": 2, "test": 1} if not self.full else {"test": 1}
        hidden = np.where(short, 0, max(tested.values()))  # how many at the end training may not see
        if earlier is not None:
            hidden = np.minimum(hidden, _fresh(events, left, earlier.trained(events)))
        kinds = {"train": np.where(left > hidden, HISTORY, NEITHER)}
        for name, place in tested.items():
            asked = np.where(place <= hidden, TARGET, LEFT_OUT)
            kind = np.where(left > place, HISTORY, np.where(left == place, asked, NEITHER))
            kinds[name] = np.where(short, NEITHER, kind)
        return kinds


def _fresh(events, left, trained):
    """How many events stand behind the last one that was trained on, of each event's user, `[E]`."""
    fresh = np.array(events.items.lengths)
    np.minimum.at(fresh, events.items.rows[trained], left[trained] - 1)
    return fresh[events.items.rows]
