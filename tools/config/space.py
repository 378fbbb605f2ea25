"""What a search may choose: keys of the configuration, each with a list of values or a range."""

from typing import Any, NamedTuple

from tools.common.errors import UserError
from tools.common.files import shown
from tools.config.load import keys
from tools.config.overrides import read_yaml
from tools.config.paddlerec import nearest_key
from tools.config.values import convert

PARTS = ("low", "high", "log")  # of a range
FORM = "[a, b, …] or {low: 0.01, high: 1, log: true}"


class Choices(NamedTuple):
    """One of some values."""

    values: list


class Range(NamedTuple):
    """A number from `low` to `high`, both included."""

    low: float
    high: float
    log: bool  # drawn evenly on a logarithmic scale
    whole: bool


def read_space(path) -> dict[str, Choices | Range]:
    """Dotted key -> what it may be, from a yaml such as `hyper_parameters.temperature: {low: 0.1, high: 1, log: true}`.

    Keys may be dotted or nested, as in a configuration.

    Raises:
        UserError: a line for each unknown key, value of another type or out of range, and form that is none.
    """
    schema = keys()
    space: dict[str, Choices | Range] = {}
    given: dict[str, tuple] = {}  # key -> a list, or the parts of a range, and where
    errors = []
    for name, (value, where) in read_yaml(path).items():
        key, _, part = name.rpartition(".")
        if name not in schema and part in PARTS:
            given.setdefault(key, ({}, where))[0][part] = value
        else:
            given[name] = value, where
    for key, (value, where) in given.items():
        found = _range if isinstance(value, dict) else _choices
        try:
            if key not in schema:
                raise ValueError(f"unknown key{nearest_key(key, schema)}")
            space[key] = found(value, schema[key])
        except ValueError as error:
            errors.append(f"{where}: {key}: {error}")
    if errors:
        raise UserError("\n       ".join(errors))
    if not space:
        raise UserError(f"{path}: no keys; write hyper_parameters.temperature: {FORM}")
    return space


def _choices(values, entry) -> Choices:
    """A `ValueError` where they are none."""
    if not isinstance(values, list) or len(values) < 2:
        raise ValueError(f"{shown(values)!r} is no choice; write {FORM}")
    return Choices([convert(one, entry) for one in values])


def _range(given, entry) -> Range:
    """A `ValueError` where it is none."""
    found: dict[str, Any] = {"log": False} | given
    if not {"low", "high"} <= found.keys() or type(found["log"]) is not bool:
        raise ValueError(f"not {FORM}; give low and high")
    low, high = (convert(found[part], entry) for part in ("low", "high"))
    if type(low) not in (int, float) or not low < high < float("inf"):
        raise ValueError(f"from {shown(low)} to {shown(high)} is no range of numbers; write {FORM}")
    if found["log"] and low <= 0:
        raise ValueError(f"low: {low} has no logarithm; write a low above 0, or leave log out")
    return Range(low, high, found["log"], type(low) is int)
