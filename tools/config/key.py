"""What a configuration key is made of: a field of the schema's dataclasses with its rule."""

import math
from dataclasses import field
from typing import Any


def key(default: Any, comment: str, *, choices=None, low=-math.inf, high=math.inf, infinite=False, empty=False,
        training=False) -> Any:  # fmt: skip
    """A configuration key: its default, its comment, the values it may take, and whether only training reads it.

    What training alone reads may change after it; all other hyper-parameters must be those of the checkpoint.
    """
    rule = {
        "comment": comment, "choices": choices, "low": low, "high": high, "infinite": infinite, "empty": empty,
        "training": training,
    }  # fmt: skip
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=rule)
    return field(default=default, metadata=rule)
