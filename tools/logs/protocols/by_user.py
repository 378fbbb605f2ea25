"""Users cut into those who train, those who choose the best step and those who test, whatever their events."""

import random

import numpy as np

from tools.logs.protocols.plan import Plan, Split

SEED = 1230


def split_users(user_num, cuts) -> dict[str, np.ndarray]:
    """Split -> users in the order of `random.Random(1230).shuffle`, which depends on their number alone.

    Args:
        user_num: U.
        cuts: shares of users at which valid and test begin.
    """
    shuffled = list(range(user_num))
    random.Random(SEED).shuffle(shuffled)
    first, second = (int(share * user_num) for share in cuts)
    order = np.array(shuffled, np.int64)
    return {"train": order[:first], "valid": order[first:second], "test": order[second:]}


class ByUser:
    """A protocol that cuts users: what it keeps of their events is its `split`."""

    seed = SEED
    cuts: tuple[float, float]  # shares of users at which valid and test begin

    def going_on(self, meta):
        """The same protocol: users keep their splits, see `tools.logs.extend`."""
        return self

    def plan(self, log, lengths, stretches, earlier=None) -> Plan:
        """The splits of users with so many events each, `[U]`."""
        return self.split(split_users(len(lengths), self.cuts), lengths)

    def split(self, users, lengths) -> Plan:
        """The splits that have these users, name -> users, with all their events; `lengths` are those of all users."""
        return Plan({name: Split(some, lengths[some]) for name, some in users.items()})
