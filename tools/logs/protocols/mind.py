"""MIND's protocol: users 19:1, one target each (Li et al., CIKM 2019, section 5.1)."""

from dataclasses import dataclass

import numpy as np

from tools.logs.protocols.by_user import SEED, ByUser
from tools.logs.protocols.plan import Plan


@dataclass(frozen=True)
class Mind(ByUser):
    """The first 18 of 20 parts of the users train, the 19th chooses the best step, the last tests.

    The target of a user of valid or test is any behaviour but the first, each as likely; what comes after it goes.
    """

    name = "mind"
    cuts = (0.9, 0.95)

    def split(self, users, lengths) -> Plan:
        """The splits that have these users, with their events up to the target."""
        splits = super().split(users, lengths).splits
        for name in ("valid", "test"):
            all_of_them = splits[name].lengths
            drawn = 2 + np.random.default_rng(SEED).integers(0, np.maximum(all_of_them - 1, 1))
            splits[name] = splits[name]._replace(lengths=np.minimum(drawn, all_of_them))
        left_out = int(lengths.sum()) - sum(int(one.lengths.sum()) for one in splits.values())
        return Plan(splits, {"after the target of a user of valid or test": left_out})
