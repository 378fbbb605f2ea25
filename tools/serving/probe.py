"""Whether the parts of an export belong together: vectors, index, maps and what the user tower gives."""

import numpy as np

from tools.common.errors import UserError
from tools.common.ragged import pieces

AGAIN = "export it again"


def check_table(path, table, rows):
    """A `UserError` where an array is not so many rows of finite float32 numbers."""
    if table.ndim != 2 or table.dtype != np.float32 or len(table) != rows or not table.shape[1]:
        raise UserError(f"{path}: {table.dtype} {list(table.shape)} are not {rows} vectors, float32; {AGAIN}")
    for part in pieces(rows, max(1, (1 << 22) // table.shape[1])):
        if not np.isfinite(table[part]).all():
            raise UserError(f"{path}: holds what is no finite number; {AGAIN}")


def check_parts(folder, vectors, index, names):
    """A `UserError` where an export's item vectors, index and item map don't agree.

    Args:
        folder: of the export.
        vectors: `[item_count, D]`, row 0 is padding.
        index: of the vectors.
        names: our ids of items -> the user's own; empty where there is no map.
    """
    item_num, size = len(vectors) - 1, vectors.shape[1]
    found = index.ntotal, getattr(index, "d", size)
    if found != (item_num, size):
        raise UserError(
            f"{folder}: the index has {found[0]} items of {found[1]} dimensions, item_vectors.npy has {item_num} "
            f"of {size}; {AGAIN}"
        )
    wrong = [item for item in names if not 0 < item <= item_num]
    if wrong:
        raise UserError(f"{folder / 'item_map.csv'}: item {wrong[0]} is none of the {item_num} items; {AGAIN}")


def check_tower(folder, route, maxlen, size):
    """A `UserError` where a user tower doesn't give interests, live mask and coupling of its histories.

    Args:
        folder: of the export.
        route: `Predictor.route`.
        maxlen: T.
        size: D.
    """
    hist_item, seq_len = np.ones((2, maxlen), np.int64), np.array([maxlen, 1])
    try:
        interests, live, coupling = route(hist_item, seq_len)
    except Exception as error:  # a program of a stranger's can fail in any way
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{folder}: user_tower cannot be run ({lines[-1][:200]}); {AGAIN}") from None
    interest_num = interests.shape[1] if interests.ndim == 3 else 0
    shapes = [list(one.shape) for one in (interests, live, coupling)]
    if shapes != [[2, interest_num, size], [2, interest_num], [2, interest_num, maxlen]] or live.dtype != bool:
        raise UserError(f"{folder}: user_tower gives {shapes}, not interests of {size}, live and coupling; {AGAIN}")
    if not (np.isfinite(interests).all() and live.any()):
        raise UserError(f"{folder}: user_tower gives interests that are no numbers, or none; {AGAIN}")
