"""MIND's protocol: users 19:1, one target each (Li et al., CIKM 2019, section 5.1).

The first 18 of 20 parts train, the 19th chooses the best step, the last tests.
"""

import numpy as np

CUTS = (0.9, 0.95)
DROPPED = "after the target of a user of valid or test"
SEED = 1230


def kept_events(lengths):
    """How many of a user's first behaviours are kept, `[U]`; the last of them is the target.

    The target is any behaviour but the first, each as likely.
    """
    drawn = 2 + np.random.default_rng(SEED).integers(0, np.maximum(lengths - 1, 1))
    return np.minimum(drawn, lengths)
