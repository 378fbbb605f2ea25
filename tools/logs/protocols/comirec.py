"""ComiRec's protocol: users cut 80:10:10, all their events kept (Cen et al., KDD 2020)."""

from dataclasses import dataclass

from tools.logs.protocols.by_user import SEED, split_users, whole
from tools.logs.protocols.plan import Plan


@dataclass(frozen=True)
class ComiRec:
    """The first 80 % of a test user's items are the history, all later ones the targets."""

    name = "comirec"
    seed = SEED
    cuts = (0.8, 0.9)  # shares of users at which valid and test begin

    def plan(self, log, lengths, stretches) -> Plan:
        """The splits of users with so many events each, `[U]`."""
        return self.split(split_users(len(lengths), self.cuts), lengths)

    def split(self, users, lengths) -> Plan:
        """The splits that have these users, name -> users."""
        return Plan(whole(users, lengths))
