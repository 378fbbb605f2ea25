"""The two files of a user tower, looked at before Paddle's own code reads them and after it wrote them.

Paddle writes them without a look at whether the bytes arrived, and reads what is no program or cut into a crash.
"""

import json
import math
import struct
from pathlib import Path

from tools.common.errors import UserError
from tools.common.files import shown
from tools.common.regular import open_regular

SIZES = {
    0: 1,
    1: 2,
    2: 4,
    3: 8,
    4: 2,
    5: 4,
    6: 8,
    20: 1,
    21: 1,
    22: 2,
}  # bytes of a number, by Paddle's number of its type
# What a tower may do, by Paddle's names: each only computes. Others read files, write them, or run what they name.
COMPUTES = """
abs add all any arange argmax argmin argsort assign assign_value_ batch_norm_ bmm cast clip combine concat cos
cumsum data divide dot dropout einsum elementwise_pow elu embedding equal erf exp expand expand_as expm1 eye fetch
fill_diagonal flatten flip floor floor_divide full full_int_array full_like full_with_tensor gather gather_nd gelu
greater_equal greater_than if index_sample index_select isfinite isnan layer_norm leaky_relu less_equal less_than
linear log log1p log_softmax logical_and logical_not logical_or logsumexp masked_fill matmul max maximum mean min
minimum multiply nonzero norm not_equal one_hot p_norm pad pow prod put_along_axis put_along_axis_ relu remainder
reshape rms_norm rnn roll rsqrt scale scatter shape shape64 share_data_ sigmoid sign silu sin slice softmax softplus
solve split sqrt square squeeze stack strided_slice subtract sum swish take_along_axis tanh tile topk transpose tril
triu unbind unsqueeze unstack where while yield
"""
OPERATORS = frozenset(COMPUTES.split())
DIALECTS = ("0", "1", "2")  # Paddle's own: its frame, its operators, its control flow
PARAMETER = "p"
NOT_KEPT = "non_persistable"  # at the end of the name of a parameter that is in no file, a state of dropout say


def check(path):
    """See that `path`.json is a program and `path`.pdiparams holds its parameters, to the last byte.

    Raises:
        UserError: where they don't.
    """
    program, parameters = Path(f"{path}.json"), Path(f"{path}.pdiparams")
    try:
        with open_regular(program) as file:
            operators = list(_operators(json.load(file)["program"]["regions"]))
        if foreign := {name for name, _ in operators if not _computes(name)}:
            raise ValueError(f"{shown(min(foreign))} is not among the operators of `tower_files.COMPUTES`")
        named = {told["A"][3]: told["O"]["TT"]["D"][1] for name, told in operators if name == PARAMETER}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{program}: not the program of a user tower ({_words(error)}); export it again") from None
    try:
        with open_regular(parameters) as file:
            for name in sorted(one for one in named if not one.endswith(NOT_KEPT)):  # their order in the file
                if (shape := _pass_tensor(file)) != named[name]:
                    raise ValueError(f"{name} is {shape}, not {named[name]}")
            if file.read(1):
                raise ValueError("more bytes than its parameters have")
    except (OSError, ValueError, LookupError, struct.error) as error:
        raise UserError(
            f"{parameters}: not the parameters of {program.name} ({_words(error)}); export it again"
        ) from None


def _computes(name) -> bool:
    dialect, _, operator = name.partition(".")
    return name == PARAMETER or (dialect in DIALECTS and operator in OPERATORS)


def _words(error):
    return shown(getattr(error, "strerror", None) or error or type(error).__name__, 200)


def _operators(regions):
    """Name and description of each operator of a program, those of its branches and loops too."""
    for region in regions:
        for block in region["blocks"]:
            for one in block["ops"]:
                yield one["#"], one
                yield from _operators(one.get("regions", ()))


def _pass_tensor(file) -> list[int]:
    """Read past a tensor: version, levels of detail (none), version, its description, its values. Gives its shape."""
    version, levels, inner, described = struct.unpack("<IQIi", file.read(20))
    if version or levels or inner or not 0 < described < 1 << 10:
        raise ValueError("no tensor where one belongs")
    description, place = file.read(described), 0
    fields: dict[int, list[int]] = {1: [], 2: []}
    while place < described:
        key, place = _varint(description, place)
        number, place = _varint(description, place)
        fields[key >> 3].append(number)
    (kind,), shape = fields[1], fields[2]
    size, start = math.prod(shape) * SIZES[kind], file.tell()
    if size > (found := file.seek(0, 2) - start):
        raise ValueError(f"cut: {found:,} bytes of {size:,}")
    file.seek(start + size)
    return shape


def check_onnx(path):
    """See that an ONNX file is as long as its fields say; an `OSError` where it is cut: its writer doesn't look."""
    with open_regular(path) as file:
        content = file.read()
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        number, place = _varint(content, place)
        place += number if key & 7 == 2 else 0  # a field of bytes, the graph above all, or a number
    if not content or place != len(content):
        raise OSError(None, "cut short", str(path))


def _varint(content, place) -> tuple[int, int]:
    """A number of protobuf's, and where it ends."""
    number = shift = 0
    while place < len(content):
        number |= (content[place] & 127) << shift
        place, shift = place + 1, shift + 7
        if content[place - 1] < 128:
            return number, place
    return number, place + 1  # past the end
