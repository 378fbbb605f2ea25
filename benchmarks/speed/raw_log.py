"""A raw log of any size: users whose activity is log-normal, items by Zipf's law, in random order of time."""

from pathlib import Path

import numpy as np
import polars

BLOCK = 1 << 22  # rows written at once


def write_raw_log(path: Path, *, rows, users, items, seed=0, name="i{}", iso=False):
    """Write a CSV `user,item,time` with texts for ids.

    Args:
        path: of the file.
        rows: of the log.
        users: how many; the log of their activity has deviation 1.
        items: how many there are; number k is drawn in proportion to 1/k.
        seed: of all draws.
        name: of an item, with its number.
        iso: write times as `2020-09-13T12:26:40Z`, and a column `event`, nine views to one purchase.
    """
    rng = np.random.default_rng(seed)
    weight = rng.lognormal(size=users)
    lengths = np.ceil(weight * (rows / weight.sum())).astype(np.int64)
    user = np.repeat(np.arange(users, dtype=np.int32), lengths)
    rng.shuffle(user)
    user = user[:rows]  # what is over after rounding up
    with open(path, "wb") as file:
        file.write(b"user,item,time,event\n" if iso else b"user,item,time\n")
        for start in range(0, len(user), BLOCK):
            some = user[start : start + BLOCK]
            item = (items + 1) ** rng.random(len(some))  # 1/k of rank k, nearly
            frame = polars.DataFrame({"user": some, "item": item.astype(np.int32)}).select(
                polars.format("u{}", "user"),
                polars.format(name, "item"),
                time=polars.Series(1_600_000_000 + rng.integers(0, 100_000_000, len(some))),
            )
            if iso:
                frame = frame.with_columns(
                    polars.from_epoch("time").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    event=polars.Series(rng.random(len(some)) < 0.9).replace_strict({True: "view", False: "buy"}),
                )
            frame.write_csv(file, include_header=False)
