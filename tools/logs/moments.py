"""Moments of a log: given as numbers or dates, or as the times from which a share of all events comes."""

from itertools import pairwise

import numpy as np
import polars

from tools.common.errors import UserError
from tools.common.files import shown
from tools.logs.times import FIRST, LAST, UNITS, parse_times

SHARE = 0.1


def check_moments(test_from, valid_from, test_share, valid_share):
    """Refuse what cannot be right whatever the log is; arguments as in `moments_of`."""
    if (test_from or valid_from) and not (test_share is None and valid_share is None):
        raise UserError("--test-from and --valid-from, or --test-share and --valid-share: not both")
    if valid_from and not test_from:
        raise UserError("--valid-from goes with --test-from, where the test begins")
    for name, text in (("test", test_from), ("valid", valid_from)):
        if text:
            _parse(f"--{name}-from", text)
    test, valid = _shares(test_share, valid_share)
    if not (0 < test < 1 and 0 <= valid < 1 - test):
        raise UserError(f"--test-share {test:g} and --valid-share {valid:g}: they must leave events for training")


def moments_of(log, test_from, valid_from, test_share, valid_share) -> dict[str, float]:
    """Moment of `valid`, where there is one, and of `test`, in the log's own unit.

    Args:
        log: the interactions.
        test_from, valid_from: texts, or None.
        test_share, valid_share: numbers, or None.

    Raises:
        UserError: for a log without times, and for moments out of order or out of the log.
    """
    if not log.clock:
        raise UserError("--protocol time: the log has no times; give --time COLUMN, or choose another protocol")
    low, high, dtype = log.time.min(), log.time.max(), log.time.dtype
    if test_from:
        texts = {"valid": valid_from, "test": test_from} if valid_from else {"test": test_from}
        moments = {name: _in_unit(f"--{name}-from", text, high) for name, text in texts.items()}
    else:
        test, valid = _shares(test_share, valid_share)
        times = np.sort(log.time)  # eight bytes an event
        moments = {"valid": times[int((1 - test - valid) * len(times))]} if valid else {}
        moments["test"] = times[int((1 - test) * len(times))]
    order = [low, *moments.values()]
    if not all(one < other for one, other in pairwise(order)) or moments["test"] > high:
        begins = ", ".join(f"{name} from {told(one, dtype)}" for name, one in moments.items())
        rule = "each must begin later than the one before, and within the log"
        raise UserError(f"--protocol time: {begins}, in a log from {low} to {high}; {rule}")
    return moments


def _shares(*given):
    return [SHARE if one is None else one for one in given]


def moments_in(meta) -> dict[str, float]:
    """Moment of each split of a data set, from its `meta.yaml`."""
    return {name: one["from"] for name, one in meta["splits"].items() if "from" in one}


def check_later(folder, before, now):
    """Refuse moments before those of the data set that is extended: what it trained on would be asked for.

    Args:
        folder: of that data set.
        before, now: split -> moment, as `moments_in` gives them.
    """
    pairs = (before["test"], now["test"]), (min(before.values()), min(now.values()))
    for name, (old, new) in zip(("test", "training"), pairs, strict=True):
        where = "ends" if name == "training" else "begins"
        if _unit(old) != _unit(new):
            raise UserError(f"--extend {folder}: its {name} {where} at {old}, and this at {new}: times of another unit")
        if new < old:
            told = f"its {name} {where} at {old}, and this at {new}, so targets could be what it trained on or chose by"
            raise UserError(f"--extend {folder}: {told}; give moments that are no earlier, or none to keep them")


def _unit(moment):
    return next((name for name, parts in UNITS.items() if FIRST * parts <= moment < LAST * parts), None)


def told(moment, dtype):
    """A moment as `meta.yaml` has it: a whole number where the log has such."""
    return int(moment) if dtype.kind != "f" or float(moment).is_integer() else float(moment)


def _parse(option, text):
    """A number, or nanoseconds since 1970, and whether it is a date."""
    try:
        times = parse_times(polars.Series([text]), None, option, lambda row: "")
        return times.values[0], times.dates
    except UserError:
        raise UserError(f"{option} {shown(text)!r}: not a number or an ISO date, as 2024-03-01") from None


def _in_unit(option, text, high):
    """A moment in the unit of a log whose last time is `high`."""
    value, date = _parse(option, text)
    if not date:
        return value
    if unit := _unit(high):
        return value // (10**9 // UNITS[unit])
    raise UserError(f"{option} {shown(text)}: a date, and the log's times, up to {high}, are none; give a number")
