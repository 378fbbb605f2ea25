"""ComiRec's protocol: users cut 80:10:10, all their events kept (Cen et al., KDD 2020)."""

from dataclasses import dataclass

from tools.logs.protocols.by_user import SEED, split_users, whole
from tools.logs.protocols.plan import Plan


@dataclass(frozen=True)
class ComiRec:
    """The first 80 % of a test user's items are the history, all later ones the targets."""

    name = "comirec"
    seed = SEED

    def plan(self, log, lengths, stretches) -> Plan:
        """The splits of users with so many events each, `[U]`."""
        return Plan(whole(split_users(len(lengths), (0.8, 0.9)), lengths))
