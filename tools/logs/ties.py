"""Events of a user at one time: no log says which came first, so a draw does that depends on nothing but the ids.

The order of a file is no order in time: one that is grouped by item would give all users one order of items, which a
model learns and a test rewards.
"""

import zlib

import numpy as np

SEED = 1230
MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # of splitmix64, Steele et al., OOPSLA 2014


def tied(user, times) -> np.ndarray:
    """Whether an event stands at the time of the one before it, of the same user; both `[E]`, sorted. Bool `[E]`."""
    same = np.zeros(len(times), bool)
    same[1:] = (times[1:] == times[:-1]) & (user[1:] == user[:-1])
    return same


def draw(log, rows, same) -> np.ndarray:
    """The rows of a log with those of each tie in the order of their draws.

    Args:
        log: with the names of users and items.
        rows: `[E]`, in order of users and times.
        same: `[E]`, as `tied` gives it.
    """
    among = np.flatnonzero(same | np.append(same[1:], False))
    if not len(among):
        return rows
    tie, some = np.cumsum(~same)[among], rows[among]
    lot = lots(checksums(log.user_names, log.user[some]), checksums(log.item_names, log.item[some]))
    rows = rows.copy()
    rows[among] = some[np.lexsort((lot, tie))]
    return rows


def checksums(names, codes) -> np.ndarray:
    """CRC-32 of the id of each code, `[E]` uint64."""
    found, place = np.unique(codes, return_inverse=True)
    return np.array([checksum(name) for name in names[found]], np.uint64)[place]


def checksum(name) -> int:
    """CRC-32 of an id."""
    return zlib.crc32(str(name).encode("utf-8", "surrogatepass"))


def lots(user, item) -> np.ndarray:
    """A number of 64 bits for each pair of checksums, `[E]` and `[E]` uint64, as if at random: splitmix64 of both."""
    lot = ((user << np.uint64(32)) | item) + np.uint64(SEED)
    lot = (lot ^ (lot >> np.uint64(30))) * np.uint64(MIX[0])
    lot = (lot ^ (lot >> np.uint64(27))) * np.uint64(MIX[1])
    return (lot ^ (lot >> np.uint64(31))).view(np.int64)  # as Spark has them
