"""A log as Spark tables: its rows in source order, and the protocol's filter and numbers."""

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from tools.common.errors import UserError
from tools.common.files import line_blocks, shown
from tools.logs.form import EMPTY, POINT, ROUNDED, WHOLE, Form, check_roles, rounded
from tools.logs.header import check_columns, read_header
from tools.logs.structured import JSON, PARQUET
from tools.logs.ties import MIX, SEED
from tools.logs.times import FIRST, LAST, UNITS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

LOT = f"(shiftleft(crc32(cast(user as binary)), 32) | crc32(cast(item as binary))) + {SEED}L"  # `tools.logs.ties.lots`
for shift, factor in zip((30, 27), MIX, strict=True):
    LOT = f"(({LOT}) ^ shiftrightunsigned({LOT}, {shift})) * {factor - 2**64}L"
LOT = f"({LOT}) ^ shiftrightunsigned({LOT}, 31)"


class Numbered(NamedTuple):
    """What stays of a log, and its numbers."""

    events: "DataFrame"  # user, item_number, time, row, lot
    users: "DataFrame"  # user, number, count
    items: "DataFrame"  # item, number, and category where the log has one


def read_rows(spark, files, form: Form):
    """The rows that count as `user, item, time, row` and perhaps `category`, how many others were left out why, notes.

    `row` rises in source order. Times are long where all of them are such numbers, double otherwise.

    Raises:
        UserError: for an unknown column, a row that is none or a value that is no number, with the file.
    """
    from pyspark.sql import functions as F

    check_roles(form)
    read = [_read_file(spark, source, form) for source in files]
    if len({dates for _, dates in read}) > 1:
        raise UserError(f"{files[0].path}: {form.columns['time']} has numbers beside dates; write one form")
    tables = [table.withColumn("file", F.lit(str(source))) for source, (table, _) in zip(files, read, strict=True)]
    rows = reduce(lambda one, other: one.unionByName(other), tables)  # whose partitions are in this order
    rows = rows.withColumn("row", F.monotonically_increasing_id()).persist()
    names, bad = form.columns, _rules(rows, form)
    kind = "bigint" if _check_numbers(rows, "time", names) else "double"
    factor, told = _unit(rows, read[0][1], names["time"])
    reason = F.coalesce(*(F.when(rule, F.lit(number)) for number, rule in enumerate(bad.values())), F.lit(-1))
    rows = rows.withColumn("reason", reason)
    counts = {one["reason"]: one["count"] for one in rows.groupBy("reason").count().collect()}
    time = F.expr(f"try_cast(time as {kind})")
    columns = [
        "user",
        "item",
        (time if factor == 1 else F.expr(f"cast(time as bigint) div {factor}")).alias("time"),
        "row",
    ]
    columns += ["category"] if "category" in names else []
    kept, notes = _whole_ids(rows.where("reason = -1").select(*columns), names)
    return kept, {one: counts.get(n, 0) for n, one in enumerate(bad)}, [told] * bool(told) + notes


def _rules(rows, form: Form) -> dict:
    """Why a row is left out, and which are; the first that holds counts."""
    from pyspark.sql import functions as F

    names = form.columns
    bad = {f"{names[role]} is empty": F.trim(role).isin(*EMPTY) for role in ("user", "item", "time")}
    if form.min_rating is not None:
        _check_numbers(rows, "rating", names)
        if form.unrated == "drop" and rows.where(F.col("rating").isin(*EMPTY)).limit(1).count():
            bad[f"{names['rating']} is empty"] = F.col("rating").isin(*EMPTY)
        low = F.expr("try_cast(rating as double)") < form.min_rating
        bad[f"{names['rating']} below {form.min_rating:g}"] = low & ~F.col("rating").isin(*EMPTY)
    for one in form.where:
        bad[one.reason] = ~_quoted(one.role).isin(*one.values)
    return bad


def _unit(rows, dates, name) -> tuple[int, str]:
    """What to divide times by, and a word on their unit; refuses a log that has two."""
    from pyspark.sql import functions as F

    time = F.expr("try_cast(time as double)")
    if dates:
        whole = F.expr("cast(time as bigint)")
        for size, unit in ((10**9, "seconds"), (10**6, "milliseconds"), (10**3, "microseconds")):
            if not rows.where(whole % size != 0).limit(1).count():
                return size, f"{name}: dates, written as {unit} since 1970"
        return 1, f"{name}: dates, written as nanoseconds since 1970"
    inside = {unit: (time >= FIRST * parts) & (time < LAST * parts) for unit, parts in UNITS.items()}
    counts = rows.agg(
        F.count(time).alias("all"), *(F.count(F.when(rule, 1)).alias(unit) for unit, rule in inside.items())
    )
    counts = counts.first().asDict()
    total = counts.pop("all")
    known = [unit for unit, rows_of_it in counts.items() if rows_of_it]
    if not known or total - sum(counts.values()) > total / 100:
        return 1, ""
    if len(known) > 1:
        raise UserError(f"{name} has {' and '.join(known)} by their size; write one unit")
    return 1, f"{name}: {known[0]} since 1970, by their size"


def _whole_ids(rows, names):
    """1.0 as 1 where all ids of a column are whole, and a note on it."""
    from pyspark.sql import functions as F

    notes = []
    for role in ("item", "user"):
        found = rows.agg(
            F.max(F.col(role).rlike(POINT)).alias("any"), F.min(F.col(role).rlike(WHOLE)).alias("all"),
            F.max(F.when(F.col(role).rlike(ROUNDED), F.col(role))).alias("rounded"),
        ).first()  # fmt: skip
        if found["rounded"] is not None:
            raise rounded(names[role], found["rounded"])
        if found["any"] and found["all"]:
            rows = rows.withColumn(role, F.regexp_replace(role, POINT, ""))
            notes.append(f"{names[role]}: all ids are whole, 1.0 is read as 1")
    return rows, notes


def _read_file(spark, source, form):
    """The columns of a file by their roles, as texts, '' for none; and whether its times are dates, in nanoseconds."""
    from pyspark.sql import functions as F

    path, wanted = source.path, list(dict.fromkeys(form.wanted.values()))
    inner = [name for name in wanted if name not in source.columns]
    if source.member or path.suffix.lower() in (".xz", ".zip", ".zst", ".tar"):
        raise UserError(f"{source}: Spark does not read {path.suffix}; unpack it")
    if source.suffix in PARQUET:
        table = spark.read.parquet(str(path))
        check_columns(source, inner, table.columns)
    elif source.suffix in JSON:
        table = spark.read.schema(_texts(inner)).json(str(path), mode="FAILFAST")
    else:
        names, delimiter = form.names, form.separator or ","
        if names is None:
            head = next((data.partition(b"\n")[0] for _, data in line_blocks(source, 1 << 16)), b"")
            names, delimiter = read_header(source, head.decode("utf-8", "replace"), form)
            check_columns(source, inner, names)
        places = [f"column {place}" for place in range(len(names))]
        options = {"header": form.names is None, "sep": delimiter, "escape": '"', "mode": "FAILFAST"}
        table = spark.read.schema(_texts(places)).csv(str(path), **options)
        table = table.select(*(F.col(f"`column {names.index(name)}`").alias(name) for name in inner))
    for name in set(wanted) - set(table.columns):
        table = table.withColumn(name, F.lit(source.columns[name]))
    kinds = dict(table.dtypes)
    clocks = {
        name: F.unix_micros(_quoted(name).cast("timestamp")) * 1000 for name in wanted if "timestamp" in kinds[name]
    }
    clocks |= {
        name: F.unix_date(_quoted(name)).cast("bigint") * (86400 * 10**9) for name in wanted if kinds[name] == "date"
    }
    texts = {role: clocks.get(name, _quoted(name)).cast("string") for role, name in form.wanted.items()}
    table = table.select(*(F.coalesce(text, F.lit("")).alias(role) for role, text in texts.items()))
    return table, form.columns["time"] in clocks


def _texts(names):
    return ", ".join(f"`{name.replace('`', '``')}` string" for name in names)


def _quoted(name):
    from pyspark.sql import functions as F

    return F.col(f"`{name.replace('`', '``')}`")


def _check_numbers(rows, role, names) -> bool:
    """Refuse a column that is not all numbers; whether all of them are whole."""
    from pyspark.sql import functions as F

    number, empty = F.expr(f"try_cast({role} as double)"), F.col(role).isin(*EMPTY)
    fine = empty | number.isNotNull() & (empty | (~F.isnan(number) & (F.abs(number) != float("inf"))))
    whole = empty | F.expr(f"try_cast({role} as bigint)").isNotNull()
    worst = rows.agg(
        F.min(F.when(~fine, F.struct("row", "file", role))).alias("bad"), F.min(whole).alias("whole")
    ).first()
    if worst["bad"] is not None:
        _, file, text = worst["bad"]
        raise UserError(
            f"{file}: {names[role]} is {shown(text)!r}, not a number; correct the row or use tools.preprocess"
        )
    return worst["whole"]


def number_rows(rows, min_items, min_users) -> Numbered:
    """Filter and number: items from 1 by falling count, users from 0 in source order (`protocol.prepare`)."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    first = [F.min("row").alias("first"), F.count("*").alias("count")]
    if "category" in rows.columns:
        first.append(F.min(F.struct("row", "category"))["category"].alias("category"))
    items = rows.groupBy("item").agg(*first).where(F.col("count") >= min_items)
    items = items.withColumn("number", F.row_number().over(Window.orderBy(F.desc("count"), "first"))).persist()
    events = rows.join(items.select("item", F.col("number").alias("item_number")), "item")
    left = events.groupBy("user").agg(F.count("*").alias("count")).where(F.col("count") >= min_users)
    users = rows.groupBy("user").agg(F.min("row").alias("first")).join(left, "user")
    users = users.withColumn("number", F.row_number().over(Window.orderBy("first")) - 1).persist()
    return Numbered(events.select("user", "item_number", "time", "row", F.expr(LOT).alias("lot")), users, items)
