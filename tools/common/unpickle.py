"""Paddle's pickled parameters, read without a pickle machine: a file can give arrays, numbers, texts and containers.

A pickle is a program, and even one that may call nothing but numpy can make numpy read its bytes as addresses. So the
opcodes are read here, one by one. What names code is taken as a name and nothing more; an array is made by `frombuffer`
of a known type, once its shape and its bytes agree.
"""

import math
import mmap
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

from tools.common.errors import UserError
from tools.common.files import shown
from tools.common.regular import open_regular

NAME_TABLE = "StructuredToParameterName@@"  # what `paddle.save` adds to a layer's parameters
CUT_ARRAYS = "UnpackBigParamInfor@@"  # and where protocols 2 and 3 cut arrays of a gigabyte
TYPES = ["b1", *(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)), "f2", "f4", "f8"]
MOST = 1_000_000  # opcodes, and values: models have some hundreds
DEEPEST = 6  # containers in one another
VALUES = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip
CONSTANTS: dict[str, Callable] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple,
}  # fmt: skip
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Name(str):
    """What a file names as code, `module name`."""


class Type:
    """A type of numbers, of which only byte order and the fixed fields of a plain one may be told."""

    def __init__(self, code, *_):
        _demand(code in TYPES, f"an array of type {shown(code)!r}")
        self.type = np.dtype(code)

    def build(self, state):
        """Take the byte order of numpy's state, `(3, '<', None, None, None, -1, -1, 0)`."""
        plain = isinstance(state, tuple) and state[2:] == (None, None, None, -1, -1, 0)
        _demand(plain and state[0] in (3, 4) and state[1] in ("<", ">", "|", "="), "a type that is not plain")
        self.type = self.type.newbyteorder(state[1])


class Array:
    """An array, once its state is known."""

    value: np.ndarray

    def __init__(self, *_): ...

    def build(self, state):
        """Take numpy's state: version, shape, type, whether Fortran's order, bytes."""
        _, shape, kind, fortran, raw = state
        _demand(isinstance(kind, Type) and isinstance(shape, tuple), "an array without type or shape")
        _demand(all(type(one) is int and one >= 0 for one in shape), "a shape that is none")
        raw = _bytes(raw)
        _demand(math.prod(shape) * kind.type.itemsize == len(raw), "a shape that its bytes don't have")
        flat = np.frombuffer(raw, kind.type) if raw else np.empty(0, kind.type)
        if not kind.type.isnative:
            flat = flat.astype(kind.type.newbyteorder("="))
        self.value = flat.reshape(shape, order="F" if fortran is True else "C")


def _scalar(kind, raw):
    array = Array()
    array.build((1, (1,), kind, False, raw))
    return array.value[0]


def _bytes(raw):
    """Bytes, which Python 2 keeps as text."""
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    _demand(isinstance(raw, bytes), "an array that has no bytes")
    return raw


def _encode(text, coding):
    _demand(coding == "latin1", "a text in another coding")
    return text.encode("latin1")


# All that a file may call, and what stands for it here.
CALLS: dict[str, Callable] = {
    "numpy dtype": Type,
    **{f"numpy.{core}.multiarray _reconstruct": Array for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray scalar": _scalar for core in ("core", "_core")},
    "collections OrderedDict": lambda pairs=(): dict(pairs),
    "_codecs encode": _encode,
    **{f"{module} tuple": tuple for module in ("builtins", "__builtin__")},
    "__builtin__ bytes": lambda: b"",  # of protocol 2, as the one above
}
KNOWN = {*CALLS, "numpy ndarray"}


def _demand(holds, otherwise):
    if not holds:
        raise ValueError(f"it holds {otherwise}")


class Machine:
    """A stack of plain values: what is left of a pickle's.

    Args:
        size: bytes of the file; what it copies of itself is held against that.
    """

    def __init__(self, *, size):
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.left = 4 * size + (1 << 20)

    def run(self, opcodes):
        """What the opcodes leave on the stack at their end."""
        for number, (opcode, argument, _) in enumerate(opcodes):
            _demand(number < MOST, f"more than {MOST:,} values, which no model has")
            self.step(opcode.name, argument)
        (value,) = self.stack
        return value

    def step(self, name, argument):
        """Do what one opcode says."""
        if name in VALUES:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name]())
        elif name in TUPLES:
            self.stack.append(tuple(self.pop(TUPLES[name])))
        elif name in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
            self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name not in ("PROTO", "FRAME", "STOP"):
            do = getattr(self, f"_do_{name.lower()}", None)
            _demand(do, f"the opcode {name}, and parameters need no code")
            do(argument)

    def pop(self, number) -> list:
        """The last values, or those since the last mark where the number is None."""
        start = self.marks.pop() if number is None else len(self.stack) - number
        _demand(start >= (self.marks[-1] if self.marks else 0), "an empty stack")
        found = self.stack[start:]
        del self.stack[start:]
        return found

    def _do_mark(self, _):
        self.marks.append(len(self.stack))

    def _do_tuple(self, _):
        self.stack.append(tuple(self.pop(None)))

    def _do_append(self, _):
        self.add(self.pop(1))

    def _do_appends(self, _):
        self.add(self.pop(None))

    def add(self, values):
        """Add values to a list."""
        _demand(type(self.stack[-1]) is list, "values of no list")
        self.stack[-1].extend(values)

    def _do_setitem(self, _):
        self.set(self.pop(2))

    def _do_setitems(self, _):
        self.set(self.pop(None))

    def set(self, values):
        """Set keys and values, in turn, of a dictionary."""
        _demand(type(self.stack[-1]) is dict, "keys of no dictionary")
        self.stack[-1].update(zip(values[::2], values[1::2], strict=True))

    def _do_global(self, name):
        if name not in KNOWN:
            raise ValueError(f"it names {shown(name.replace(' ', '.'))}, and parameters need no code")
        self.stack.append(Name(name))

    def _do_stack_global(self, _):
        self._do_global(" ".join(self.pop(2)))

    def _do_reduce(self, _):
        name, arguments = self.pop(2)
        _demand(type(name) is Name and name in CALLS and type(arguments) is tuple, "a call of what is no name")
        made = CALLS[name](*arguments)
        self.left -= 8 * len(made) if hasattr(made, "__len__") else 0
        _demand(self.left > 0, "many copies of itself")
        self.stack.append(made)

    def _do_build(self, _):
        (state,) = self.pop(1)
        _demand(isinstance(self.stack[-1], Type | Array), "a state of what has none")
        self.stack[-1].build(state)


def _plain(value, budget, depth=0):
    """Arrays in the place of what stood for them; a `ValueError` for what is neither data nor a container."""
    _demand(next(budget, None) is not None, "containers in one another without end")
    _demand(depth <= DEEPEST, "containers in one another without end")
    if isinstance(value, Array):
        return value.value
    if type(value) is dict:
        return {key: _plain(one, budget, depth + 1) for key, one in value.items()}
    if type(value) in (list, tuple):
        found = [_plain(one, budget, depth + 1) for one in value]
        if len(found) == 2 and isinstance(found[0], str) and isinstance(found[1], np.ndarray):
            return found[1]  # how Paddle keeps a tensor within lists: its name, its values
        return found if type(value) is list else tuple(found)
    _demand(type(value) in (str, int, float, bool, type(None)) or isinstance(value, np.generic), "what is no parameter")
    return value


def read(path) -> dict:
    """What `paddle.save` wrote of a layer or an optimizer: names to arrays, numbers and dictionaries of them.

    Arrays are read-only views of the file's bytes.

    Raises:
        UserError: for a file that is damaged, holds anything else or names any other object.
    """
    try:
        with open_regular(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            state = Machine(size=len(content)).run(pickletools.genops(content))  # type: ignore[arg-type]
        _demand(type(state) is dict, f"a {type(state).__name__}, not named parameters")
        state = _plain(state, iter(range(MOST)))
        _join(state)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); check name and rights") from None
    except Exception as error:  # what noise does to a program has no end
        reason = shown(" ".join(str(error).split()) or type(error).__name__, 200)
        raise UserError(f"{path}: not parameters as Paddle saves them ({reason}); use another checkpoint") from None
    state.pop(NAME_TABLE, None)
    return state


def _join(state):
    """Put together the arrays that protocols 2 and 3 cut."""
    for name, told in state.pop(CUT_ARRAYS, {}).items():
        parts = [state.pop(part) for part in told["slices"]]
        state[name] = np.concatenate(parts).reshape(told["OriginShape"])
