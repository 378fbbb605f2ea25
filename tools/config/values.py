"""A given value in the type of its key, within its bounds."""

import contextlib
import math
import re
import types
import typing

from tools.common.errors import did_you_mean
from tools.common.files import shown

# Of a whole number: what sizes and counts may be in every library; of any other, what float32 holds with room above.
LARGEST: dict[type, float] = {int: 2**31 - 1, float: 1e30}
LONGEST = 4096  # characters of a text: of a path on most systems
CONTROL = re.compile("[\0-\x1f\x7f\ud800-\udfff]")


def convert(value, entry):
    """The value in the key's type, or a ValueError that says what is expected."""
    kind, optional = entry.type, False
    if isinstance(kind, types.UnionType):
        kind, optional = typing.get_args(kind)[0], True
    if value is None and optional:
        return None
    if typing.get_origin(kind) is list:
        values = value if isinstance(value, list) else [value]
        if not values and not entry.metadata["empty"]:
            raise ValueError("an empty list; give at least one value")
        return [_convert_scalar(one, typing.get_args(kind)[0], entry.metadata) for one in values]
    return _convert_scalar(value, kind, entry.metadata)


def _convert_scalar(value, kind, rule):
    if kind is float and isinstance(value, int | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            value = float(value)  # yaml reads 1e-3 as a string
    if type(value) is not kind:
        wanted = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text"}[kind.__name__]
        raise ValueError(f"{shown(repr(value))} is of type {type(value).__name__}; write {wanted}")
    if kind is str and len(value) > LONGEST:
        raise ValueError(f"{len(value):,} characters; a text has at most {LONGEST:,}")
    if kind is str and CONTROL.search(value):
        raise ValueError(f"{shown(repr(value))} has a character that is none of a text; remove it")
    if rule["choices"] and value not in rule["choices"].split():
        choices = rule["choices"].split()
        raise ValueError(f"{shown(value)!r} is not one of {', '.join(choices)}{did_you_mean(value, choices)}")
    if kind is float and not math.isfinite(value) and not rule["infinite"]:
        raise ValueError(f"{value} is not finite; write a number")
    low, high = rule["low"], min(rule["high"], LARGEST.get(kind, math.inf))
    if kind in (int, float) and not low <= value <= high and not (rule["infinite"] and value == math.inf):
        bounds = f"from {low} to {high}" if value > high or rule["high"] < math.inf else f"at least {low}"
        raise ValueError(f"{shown(value)} is out of range; it must be {bounds}")
    return value
