"""The data set that a new one replaces: what would be lost with it."""

import contextlib
import logging
import os
from pathlib import Path

from tools.common.errors import UserError
from tools.common.files import load_arrays, shown


def check_kept(old, new, *, overwrite):
    """Refuse to replace a data set that has what the new one has not: attributes, categories, files of one's own.

    Args:
        old: its folder, perhaps missing.
        new: the folder of the new one.
        overwrite: say so and go on.
    """
    if not (names := lost(Path(old), Path(new))):
        return
    listed = ", ".join(map(shown, names[:8])) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    if not overwrite:
        raise UserError(
            f"{old}: has {listed}, which this preparation would drop; give the options or the log that made them, "
            "choose another --output, or drop them with --overwrite"
        )
    logging.warning("%s: dropped with the data set that is replaced: %s", old, listed)


def lost(old, new) -> list[str]:
    """What one data set has and another has not: attributes as FILE:NAME, other files by name."""
    names: list[str] = []
    for path in (one for one in sorted(old.rglob("*")) if one.is_file()):
        inner = path.relative_to(old)
        had, has = (_attributes(folder / inner) for folder in (old, new))
        if had:
            names += [f"{inner}:{one}" for one in sorted(had - has)]
        elif not os.path.lexists(new / inner):
            names.append(str(inner))
    return names


def _attributes(path) -> set[str]:
    """Names of the attributes of an .npz; empty for what is none."""
    if path.suffix != ".npz" or not path.is_file():
        return set()
    with contextlib.suppress(UserError):
        return {one.removesuffix(".names") for one in load_arrays(path, "") if one.endswith(".names")}
    return set()
