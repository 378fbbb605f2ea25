"""Paddle's pickled parameters, read so that a file from a stranger executes nothing."""

import pickle
from collections import OrderedDict

import numpy as np

from tools.common.errors import UserError

NAME_TABLE = "StructuredToParameterName@@"  # what `paddle.save` adds to a layer's parameters
_reconstruct = np.zeros(1).__reduce__()[0]  # what a pickle calls to make an array
_scalar = np.float64(0).__reduce__()[0]
# All that a file may name. None of it does more than make an array, a number or a container.
ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "tuple"): tuple,
}


class Unpickler(pickle.Unpickler):
    """Knows arrays and containers only."""

    def find_class(self, module, name):
        """An object of `ALLOWED`; a `pickle.UnpicklingError` for any other, before it is even imported."""
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, and parameters need no code") from None


def read(path) -> dict:
    """What `paddle.save` wrote of a layer or an optimizer: names to arrays, numbers and dictionaries of them.

    Raises:
        UserError: for a file that is damaged, holds anything else or names any other object.
    """
    try:
        with open(path, "rb") as file:
            state = Unpickler(file).load()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check name and rights") from None
    except Exception as error:  # a pickle is a program: a damaged one can fail in any way
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: not parameters as Paddle saves them ({reason}); use another checkpoint") from None
    if not isinstance(state, dict):
        raise UserError(f"{path}: holds a {type(state).__name__}, not named parameters; use another checkpoint")
    state.pop(NAME_TABLE, None)
    return state
