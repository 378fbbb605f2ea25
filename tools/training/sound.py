"""Whether what a checkpoint holds can be gone on with: finite numbers of the right kind, all that belong together."""

import math
from dataclasses import fields
from types import UnionType
from typing import get_args, get_type_hints

import numpy as np

from tools.common.errors import UserError
from tools.common.files import shown

# What each optimizer keeps of a parameter, by the end of its name.
KEPT = {
    "Adam": {"moment1_0", "moment2_0", "beta1_pow_acc_0", "beta2_pow_acc_0"},
    "Adagrad": {"moment_0"},
    "RowWiseAdagrad": {"moment_0"},
    "Momentum": {"velocity_0"},
    "SGD": set(),
}
RATE = "LR_Scheduler"
ANOTHER = "use another checkpoint"


def numbers(path, name, array, kind="float32") -> np.ndarray:
    """An array as float32, from float16 and float64 too.

    Args:
        path: of the file, for messages.
        name: of the array.
        array: as the file has it.
        kind: of what the model has in its place; one that is not float32 must be the file's as well.

    Raises:
        UserError: for other types, and where a number is infinite or none.
    """
    plain = kind == "float32" and array.dtype.kind == "f"
    if not plain and str(array.dtype) != kind:
        raise UserError(f"{path}: {name} is of type {array.dtype}, and not {kind}; {ANOTHER}")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32, copy=False) if plain else array
    if not np.isfinite(array).all():
        raise UserError(f"{path}: {name} holds what is no finite number; {ANOTHER}")
    return array


def optimizer_state(path, state, shapes, kind) -> dict:
    """What an optimizer kept, held against the model.

    Args:
        path: of the file, for messages.
        state: `<parameter>_moment1_0` and the like -> array, and the learning rate's state where it falls.
        shapes: of the model's parameters, by name.
        kind: class of the optimizer.

    Raises:
        UserError: where something of a parameter is missing or of another shape or type, or no number.
    """
    kind, checked = kind.removeprefix("Lazy"), {}  # our Adam keeps what Paddle's keeps
    for key, value in state.items():
        if key == RATE:
            _check_rate(path, value)
        elif not isinstance(value, np.ndarray):
            raise UserError(f"{path}: {shown(key)} is no array; {ANOTHER}")
        checked[key] = numbers(path, shown(key), value) if isinstance(value, np.ndarray) else value
    begun = {name for name in shapes for end in KEPT[kind] if f"{name}_{end}" in state}
    if KEPT[kind] and not begun:
        raise UserError(f"{path}: holds nothing that {kind} keeps; {ANOTHER}")
    for name in sorted(begun):
        for end in sorted(KEPT[kind]):
            found = checked.get(f"{name}_{end}")
            wanted = [1] if "pow_acc" in end else shapes[name]
            if kind == "RowWiseAdagrad" and len(wanted) > 1:
                wanted = [*wanted[:-1], 1]  # one number a row
            if found is None or list(found.shape) != wanted:
                told = "missing" if found is None else list(found.shape)
                raise UserError(f"{path}: {name}_{end} is {told}, and must be {wanted}; {ANOTHER}")
    return checked


def _check_rate(path, state):
    plain = isinstance(state, dict) and all(isinstance(one, int | float | bool | list) for one in state.values())
    if not plain or not all(math.isfinite(one) for one in state.values() if not isinstance(one, list)):
        raise UserError(f"{path}: the state of the learning rate, {shown(state)!r}, is not of numbers; {ANOTHER}")


def run_state(path, kind, saved) -> dict:
    """The fields of a dataclass among what `state.json` says.

    Args:
        path: of the file, for messages.
        kind: the dataclass; each of its fields is a whole number from 0 on, or a number or None.
        saved: what the file says.

    Raises:
        UserError: where a field is missing or not of its type.
    """
    hints, found = get_type_hints(kind), {}
    for one in fields(kind):
        hint, value = hints[one.name], saved.get(one.name, "missing" if one.name in ("step", "epoch") else one.default)
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        optional = isinstance(hint, UnionType) and type(None) in get_args(hint)
        whole = type(value) is int and value >= 0
        if not (whole or (optional and (number or value is None))):
            wanted = "a number or null" if optional else "a whole number from 0 on"
            raise UserError(f"{path}: {one.name} is {shown(value)!r}, and must be {wanted}; {ANOTHER}")
        found[one.name] = value
    return found
