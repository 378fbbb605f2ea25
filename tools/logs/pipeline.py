"""From a log to a data set on disk: read, filter, split, write."""

import contextlib
import logging
from pathlib import Path

from tools.common import progress
from tools.common.errors import UserError
from tools.common.files import atomic_folder, scratch_folder
from tools.common.replacing import writing
from tools.logs import extend as grow
from tools.logs.align import align
from tools.logs.protocol import Prepared, dropped_text, prepare
from tools.logs.protocols.by_user import ByUser
from tools.logs.protocols.comirec import ComiRec
from tools.logs.replaced import check_kept
from tools.logs.write_dataset import write_dataset

COMIREC = ComiRec()


def build(
    output: Path, read, *, protocol=COMIREC, min_items=5, min_users=5, ties="", overwrite=False, extend=None,
    level=logging.INFO,
) -> dict:  # fmt: skip
    """Write the folder of a data set; gives the content of its `meta.yaml`, with `notes` on the log beside it.

    Args:
        output: the folder.
        read: gives the log, from a scratch folder that it may fill.
        protocol: how users and targets are split, as `tools.logs.protocol.open_protocol` gives it.
        min_items, min_users: fewest interactions of an item, then of a user.
        ties: draw or file; empty: as the log's reader says.
        overwrite: see `tools.logs.replaced`.
        extend: folder of the data set that this one goes on from, see `tools.logs.extend`.
        level: of the least that is logged.

    Raises:
        UserError: for a log of which nobody is left to train on.
    """
    with progress.logging_to_terminal(level), writing(output), contextlib.ExitStack() as stack:
        base = grow.open_base(extend, protocol.name, cuts=isinstance(protocol, ByUser))
        protocol = protocol if base is None else protocol.going_on(base.meta)
        with progress.stage("read", quick=0) as counted:
            log = read(stack.enter_context(scratch_folder(output)))
            log.ties = ties or log.ties
            counted |= {"interactions": len(log.item), "users": len(log.user_names), "items": len(log.item_names)}
        known = align(log, base)
        with progress.stage("filter, number and split", quick=0) as counted:
            least = {"min_items": min_items, "min_users": min_users}
            prepared = prepare(log, protocol=protocol, **least, known=known, earlier=base and base.earlier)
            prepared = grow.extend(prepared, base, protocol)
            counted |= prepared.counts
        check_users(prepared, log)
        with progress.stage(f"write {output}", quick=0) as counted, atomic_folder(output) as folder:
            meta = write_dataset(folder, prepared, log, protocol, base=base, known=known)
            check_kept(output, folder, overwrite=overwrite)
            counted |= {name: one["users"] for name, one in meta["splits"].items()}
    return meta | {"notes": log.notes}


def check_users(prepared: Prepared, log):
    """Refuse a log of which nobody is left to train on, with the reasons."""
    if not len(prepared.plan.splits["train"].users):
        reasons = "; ".join(dropped_text(rows, reason) for reason, rows in prepared.dropped.items())
        told = f"{log.source['name']}: {len(prepared.user_codes)} users left, none for training"
        notes = "".join(f"; {note}" for note in log.notes if note.startswith("warning"))
        raise UserError(f"{told} ({reasons}){notes}; lower --min-count")


def report(output, meta) -> str:
    """What was read, kept and dropped, in lines."""
    dropped = sum(meta["dropped"].values())
    lines = [f"{meta['source']['name']}: {meta['interactions'] + dropped} interactions read"]
    lines += [f"  {dropped_text(rows, reason)}" for reason, rows in meta["dropped"].items()]
    lines.append(f"  {meta['interactions']} kept: {meta['users']} users, {meta['item_count'] - 1} items")
    lines += grow.told(meta) + meta["notes"] + _ties(meta)
    lines += [line for name, one in meta["splits"].items() for line in _split(name, one, meta)]
    if "valid" not in meta["splits"]:
        lines.append("no valid split: set runner.valid_data_dir: '' and the epochs; nothing chooses the best step")
    folders = ", ".join(f"{name}_data_dir: {Path(output) / name}" for name in meta["splits"])
    lines.append(f"written to {output}; in your config: runner.{folders}")
    return "\n".join(lines)


def _split(name, one, meta):
    lines = [f"{name}: {one['users']} users, {one['interactions']} interactions"]
    if "targets" in one:
        lines[0] += f", {one['targets']} of them targets"
    if "from" in one:
        kept = meta["protocol_options"]["cold"] == "keep"
        done = (
            "counted as missed"
            if kept
            else f"left out with {one['left_out']} targets; --cold keep counts them as missed"
        )
        cold = f"{one['cold_users']} users and {one['cold_items']} items without a past"
        lines.append(f"  from {one['from']} on; {cold}: {done}")
    return lines


def _ties(meta):
    ties = meta["ties"]
    if not ties["events"]:
        return []
    order = {"draw": "their order is drawn (--ties file keeps the file's)", "file": "their order is the file's"}
    share = 100 * ties["events"] / meta["interactions"]
    return [f"{share:.1f} % of the events share their time with another of their user; {order[ties['order']]}"]
