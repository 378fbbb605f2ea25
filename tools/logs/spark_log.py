"""A log as Spark tables: its rows in source order, and the protocol's filter and numbers."""

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from tools.common.errors import UserError
from tools.common.files import line_blocks, shown
from tools.logs.polars_blocks import JSON, Form
from tools.logs.tables import check_columns, read_header

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class Numbered(NamedTuple):
    """What stays of a log, and its numbers."""

    events: "DataFrame"  # user, item_number, time, row
    users: "DataFrame"  # user, number, count
    items: "DataFrame"  # item, number, and category where the log has one


def read_rows(spark, files, form: Form):
    """The rows that count as `user, item, time, row` and perhaps `category`, and how many others were left out why.

    `row` rises in source order. Times are long where all of them are such numbers, double otherwise.

    Raises:
        UserError: for an unknown column, a row that is none or a value that is no number, with the file.
    """
    from pyspark.sql import functions as F

    tables = [_read_file(spark, path, form).withColumn("file", F.lit(str(path))) for path in files]
    rows = reduce(lambda one, other: one.unionByName(other), tables)  # whose partitions are in this order
    rows = rows.withColumn("row", F.monotonically_increasing_id()).persist()
    names, bad = form.columns, {}
    for role in ("user", "item"):
        bad[f"{names[role]} is empty"] = F.col(role) == ""
    if form.min_rating is not None:
        _check_numbers(rows, "rating", names)
        bad[f"{names['rating']} below {form.min_rating:g}"] = F.expr("try_cast(rating as double)") < form.min_rating
    if form.behaviors:
        bad[f"{names['behavior']} is not {' or '.join(form.behaviors)}"] = ~F.col("behavior").isin(*form.behaviors)
    kind = "bigint" if _check_numbers(rows, "time", names) else "double"
    reason = F.coalesce(*(F.when(rule, F.lit(number)) for number, rule in enumerate(bad.values())), F.lit(-1))
    rows = rows.withColumn("reason", reason)
    counts = {one["reason"]: one["count"] for one in rows.groupBy("reason").count().collect()}
    columns = ["user", "item", F.expr(f"try_cast(time as {kind})").alias("time"), "row"]
    columns += ["category"] if "category" in names else []
    return rows.where("reason = -1").select(*columns), {one: counts.get(n, 0) for n, one in enumerate(bad)}


def _read_file(spark, path, form):
    """The columns of a file by their roles, as texts, '' for none."""
    from pyspark.sql import functions as F

    wanted = list(dict.fromkeys(form.columns.values()))
    if path.suffix == ".parquet":
        table = spark.read.parquet(str(path))
        check_columns(path, wanted, table.columns)
    elif any(kind in JSON for kind in path.suffixes[-2:]):
        table = spark.read.schema(_texts(wanted)).json(str(path), mode="FAILFAST")
    else:
        if path.suffix == ".xz":
            raise UserError(f"{path}: Spark does not read .xz; unpack it")
        names, delimiter = form.names, ","
        if names is None:
            head = next((data.partition(b"\n")[0] for _, data in line_blocks(path, 1 << 16)), b"")
            names, delimiter = read_header(path, head.decode("utf-8", "replace"), wanted)
        places = [f"column {place}" for place in range(len(names))]
        options = {"header": form.names is None, "sep": delimiter, "escape": '"', "mode": "FAILFAST"}
        table = spark.read.schema(_texts(places)).csv(str(path), **options)
        table = table.select(*(F.col(f"`column {names.index(name)}`").alias(name) for name in wanted))
    clocks = {name: F.unix_micros(_quoted(name)) for name, kind in table.dtypes if kind == "timestamp"}
    clocks |= {name: F.unix_date(_quoted(name)) for name, kind in table.dtypes if kind == "date"}
    texts = {role: clocks.get(name, _quoted(name)).cast("string") for role, name in form.columns.items()}
    return table.select(*(F.coalesce(text, F.lit("")).alias(role) for role, text in texts.items()))


def _texts(names):
    return ", ".join(f"`{name.replace('`', '``')}` string" for name in names)


def _quoted(name):
    from pyspark.sql import functions as F

    return F.col(f"`{name.replace('`', '``')}`")


def _check_numbers(rows, role, names) -> bool:
    """Refuse a column that is not all numbers; whether all of them are whole."""
    from pyspark.sql import functions as F

    number = F.expr(f"try_cast({role} as double)")
    fine = number.isNotNull() & ~F.isnan(number) & (F.abs(number) != float("inf"))
    whole = F.expr(f"try_cast({role} as bigint)").isNotNull()
    worst = rows.agg(
        F.min(F.when(~fine, F.struct("row", "file", role))).alias("bad"), F.min(whole).alias("whole")
    ).first()
    if worst["bad"] is not None:
        _, file, text = worst["bad"]
        raise UserError(f"{file}: {names[role]} is {shown(text)!r}, not a number; correct or remove the row")
    return worst["whole"]


def number_rows(rows, min_count) -> Numbered:
    """Filter and number: items from 1 by falling count, users from 0 in source order (`protocol.prepare`)."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    first = [F.min("row").alias("first"), F.count("*").alias("count")]
    if "category" in rows.columns:
        first.append(F.min(F.struct("row", "category"))["category"].alias("category"))
    items = rows.groupBy("item").agg(*first).where(F.col("count") >= min_count)
    items = items.withColumn("number", F.row_number().over(Window.orderBy(F.desc("count"), "first"))).persist()
    events = rows.join(items.select("item", F.col("number").alias("item_number")), "item")
    left = events.groupBy("user").agg(F.count("*").alias("count")).where(F.col("count") >= min_count)
    users = rows.groupBy("user").agg(F.min("row").alias("first")).join(left, "user")
    users = users.withColumn("number", F.row_number().over(Window.orderBy("first")) - 1).persist()
    return Numbered(events.select("user", "item_number", "time", "row"), users, items)
