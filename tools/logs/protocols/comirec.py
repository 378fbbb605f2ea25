"""ComiRec's protocol: users cut 80:10:10, all their events kept (Cen et al., KDD 2020)."""

from dataclasses import dataclass

from tools.logs.protocols.by_user import ByUser


@dataclass(frozen=True)
class ComiRec(ByUser):
    """The first 80 % of a test user's items are the history, all later ones the targets."""

    name = "comirec"
    cuts = (0.8, 0.9)
