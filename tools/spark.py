"""Make a data set from a raw log on a Spark cluster: the same folder as `tools.preprocess`, by the same options.

Example: python -m tools.spark table logs/ --user uid --item sku --time ts --output data/clicks
Example: python -m tools.spark amazon reviews/ --metadata meta/
Example: python -m tools.spark taobao UserBehavior.csv

Spark filters, numbers and sorts the rows; the driver writes the folder and holds only users and items in memory. The
driver and all workers must see the paths. It runs on this machine unless Spark's own settings say otherwise, such as
PYSPARK_SUBMIT_ARGS='--master yarn pyspark-shell'.
"""

import logging
import os
import sys
from itertools import islice
from typing import Any

import numpy as np

from tools.common import progress
from tools.common.errors import UserError, command
from tools.common.files import atomic_folder, scratch_folder, sha256, shown
from tools.common.ragged import ragged, single
from tools.common.replacing import writing
from tools.logs.amazon import add_metadata
from tools.logs.command_line import build_options, output_folder, parse_args, protocol_of, table_form
from tools.logs.form import EMPTY
from tools.logs.interactions import Interactions
from tools.logs.pipeline import check_users, report
from tools.logs.presets import PRESETS
from tools.logs.protocol import Events, Prepared, stretches_of
from tools.logs.read_preset import find_edition, preset_form
from tools.logs.replaced import check_kept
from tools.logs.sources import log_files
from tools.logs.spark_log import Numbered, number_rows, read_rows
from tools.logs.write_dataset import write_dataset

USUAL: dict[str, Any] = {  # options that Spark does not serve
    "query": None, "items": None, "users": None, "title": None, "attributes": [], "time_format": None,
    "encoding": "utf-8", "no_header": False, "quote": '"', "extend": None,
}  # fmt: skip
SPLIT_BY_USER = ("comirec", "mind")  # protocols in which each user stands in one split
CHUNK = 1 << 16  # events that a worker sends at once


@command
def main(argv=None):
    """Read, prepare, write, report."""
    args = parse_args(argv, "python -m tools.spark", __doc__)
    if args.source not in ("table", "amazon", "taobao"):
        raise UserError(f"{args.source}: not a log for Spark; use: python -m tools.preprocess {args.source}")
    for name, usual in USUAL.items():
        if getattr(args, name, usual) != usual:
            option = f"--{name.replace('_', '-')}"
            raise UserError(f"{option}: not for Spark; use: python -m tools.preprocess {args.source}")
    if args.protocol not in SPLIT_BY_USER:
        known = " and ".join(SPLIT_BY_USER)
        raise UserError(f"--protocol {args.protocol}: Spark has {known}; use: python -m tools.preprocess {args.source}")
    if args.source == "table" and args.time is None:
        raise UserError("--time: Spark needs it, since its files have no order; use: python -m tools.preprocess table")
    output, session = output_folder(args), _session()
    try:
        with progress.logging_to_terminal(), writing(output), scratch_folder(output) as scratch:
            prepared, log, events = _prepare(session, args, scratch)
            if args.source == "amazon" and args.metadata is not None:
                add_metadata(log, args.metadata)
            with progress.stage(f"write {output}", quick=0), atomic_folder(output) as folder:
                meta = write_dataset(folder, prepared, log, protocol_of(args), events)
                check_kept(output, folder, overwrite=args.overwrite)
    finally:
        session.stop()
    print(report(output, meta | {"notes": log.notes}))


def _session():
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise UserError("Spark needs an extra, and Java 17; install it with: pip install '.[spark]'") from None
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # not the first python3 on the path
    logging.getLogger("py4j").setLevel(logging.WARNING)
    builder = SparkSession.builder.appName("paddle-multi-interest").config("spark.log.level", "OFF")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    builder = builder.config("spark.sql.session.timeZone", "UTC").config("spark.sql.ansi.enabled", "false")
    return builder.config("spark.sql.csv.parser.columnPruning.enabled", "false").getOrCreate()  # all fields count


def _prepare(session, args, scratch):
    """What `write_dataset` takes."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    form, files = _form(args)
    least = {name: build_options(args)[name] for name in ("min_items", "min_users")}
    try:
        with progress.stage("read, filter and number", quick=0):
            rows, dropped, notes = read_rows(session, files, form)
            numbered = number_rows(rows, **least)
            prepared, log = _collect(numbered, args, form, dropped | _left_out(rows, numbered, **least))
            log.source = {"name": args.file.name, "sha256": sha256(*dict.fromkeys(one.path for one in files))}
            log.notes, log.ties = notes, args.ties or "draw"
        check_users(prepared, log)
        with progress.stage("sort", quick=0):
            return prepared, log, _sorted_events(session, numbered.events, numbered.users, prepared, log, scratch)
    except (PySparkException, Py4JJavaError) as error:
        raise UserError(f"{args.file}: not readable by Spark ({shown(error, 300)}); correct the file") from None


def _form(args):
    """What stands where in the log, and its files."""
    if args.source == "table":
        return table_form(args), log_files(args.file)
    edition, files = find_edition(PRESETS[args.source], args)
    return preset_form(edition, args), files


def _left_out(rows, numbered: Numbered, min_items, min_users):
    from pyspark.sql import functions as F

    common = numbered.events.count()
    kept = numbered.users.agg(F.sum("count")).first()[0] or 0
    return {
        f"items with fewer than {min_items} interactions": rows.count() - common,
        f"users with fewer than {min_users} interactions left": common - kept,
    }


def _collect(numbered: Numbered, args, form, dropped) -> tuple[Prepared, Interactions]:
    users, items = (table.orderBy("number").collect() for table in (numbered.users, numbered.items))
    lengths = np.array([row["count"] for row in users], np.int64)
    plan = protocol_of(args).plan(None, lengths, None)
    prepared = Prepared(np.arange(len(users)), np.arange(len(items)), lengths, plan, dropped | plan.dropped)
    none = np.zeros(0, np.int32)
    user_names, item_names = ([row[role] for row in rows] for role, rows in (("user", users), ("item", items)))
    log = Interactions(none, none, none, np.array(user_names, object), np.array(item_names, object), {})
    if "category" in numbered.items.columns:
        texts = [row["category"] for row in items]
        log.item_category = np.array(["" if text in EMPTY else text for text in texts], object)
        log.item_attributes = {form.columns["category"]: single(log.item_category)}
    return prepared, log


def _sorted_events(session, events, users, prepared: Prepared, log: Interactions, scratch):
    """The counterpart of `tools.logs.protocol.events`, over files that the workers' sorted events are written to."""
    from pyspark.sql import functions as F

    order = np.concatenate([one.users for one in prepared.plan.splits.values()])
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    shuffle = session.sparkContext.broadcast(place)
    users = users.select("user", F.udf(lambda number: int(shuffle.value[number]), "long")("number").alias("place"))
    order_by = ["place", "time", *(["lot"] if log.ties == "draw" else []), "row"]
    rows = events.join(users, "user").orderBy(*order_by).select("item_number", "time")
    kind = np.int64 if dict(rows.dtypes)["time"] == "bigint" else np.float64
    with open(scratch / "items", "wb") as items, open(scratch / "times", "wb") as times:
        for item, time in rows.rdd.mapPartitions(lambda part: _packed(part, kind)).toLocalIterator():
            items.write(item)
            times.write(time)
    item, log.time = np.memmap(scratch / "items", np.int32, "r"), np.memmap(scratch / "times", kind, "r")
    offsets = ragged(prepared.lengths[order], None).offsets

    def events_of(log, prepared, users):
        for some in stretches_of(users, prepared.lengths):
            lengths = prepared.lengths[some]  # of users who stand side by side in the files
            part = slice(start := offsets[place[some[0]]] if len(some) else 0, start + lengths.sum())
            yield Events(ragged(lengths, item[part]), log.time[part], np.arange(0), some)

    return events_of


def _packed(rows, kind):
    """Chunks of rows as bytes of items, int32, and of times."""
    while chunk := list(islice(rows, CHUNK)):
        items, times = zip(*chunk, strict=True)
        yield np.array(items, np.int32).tobytes(), np.array(times, kind).tobytes()


if __name__ == "__main__":
    main()
