"""Which index `runner.index` means, for so many items of such a size."""

import math
from typing import NamedTuple


class Plan(NamedTuple):
    """How an index is made and searched."""

    factory: str
    search: str = ""  # name=number, …


def _lists(item_num):
    """Inverted lists for so many items: 4·sqrt(V), but no fewer than the 39 items a list that k-means asks for."""
    return max(1, min(round(4 * math.sqrt(item_num)), item_num // 39))


def _probes(item_num):
    return f"nprobe={max(16, _lists(item_num) // 32)}"


def _ivf_pq(item_num, size):
    """Two dimensions a byte, or what the size and few items leave; 8-bit copies of the items rank the best again.

    `np` spares Faiss's polysemous codes, which take most of the building and serve another kind of search.
    """
    parts = max((one for one in range(1, size // 2 + 1) if size % one == 0), default=1)
    bits = max(1, min(8, int(math.log2(max(2, item_num // 39)))))
    return Plan(f"IVF{_lists(item_num)},PQ{parts}x{bits}np,Refine(SQ8)", f"{_probes(item_num)},k_factor_rf=4")


# Number of items and D to a plan whose recall is .95 or more on clustered vectors.
KINDS = {
    "flat": lambda item_num, size: Plan("Flat"),
    "ivf": lambda item_num, size: Plan(f"IVF{_lists(item_num)},Flat", _probes(item_num)),
    "hnsw": lambda item_num, size: Plan("HNSW32", "efSearch=128"),
    "ivf_pq": _ivf_pq,
}


def plan(index, item_num, size) -> Plan:
    """How to make `runner.index`, a kind or itself a factory string, of `item_num` vectors of `size`."""
    return KINDS.get(index, lambda *_: Plan(index))(item_num, size)
