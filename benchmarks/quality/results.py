"""The runs in results.jsonl, a row each, and the committed configurations that they are runs of."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from models import MODELS
from tools.common.errors import UserError, did_you_mean
from tools.common.files import read_text
from tools.common.progress import SHAPE, SHOWN
from tools.config.load import Config, useless_keys
from tools.serving.histories import read_object
from tools.training.run_rows import computed, pack, portable, unpack
from tools.training.settings import load_settings

ROOT = Path(__file__).parents[2]
PRESETS = {"amazon-books": "amazon", "taobao": "taobao"}  # data sets that are not here -> how their logs are read
ENDS = {  # of a data set's name -> its protocol
    "-mind": ("mind",),
    "-loo": ("leave_one_out",),
    "-loo-full": ("leave_one_out", "--full"),
}
OF_USERS = " of users"  # ends a row's key; what was measured before it has none
USERS = f"recall@50{OF_USERS}"


def of_users(report) -> dict[str, str]:
    """Key and packed values of each user's recall in a row: that of 50, or without it of the longest list."""
    cut = 50 if 50 in report.top_n else max(report.top_n)
    name = f"recall@{cut}"
    return {name + OF_USERS: pack(report.of_users(name))}


def users_recall(row) -> dict[str, np.ndarray]:
    """Name of the recall that a row has of single users, and its values `[U]`; empty where it was measured before."""
    return {key.removesuffix(OF_USERS): unpack(row[key]) for key in row if key.endswith(OF_USERS)}


def file() -> Path:
    """`results.jsonl`."""
    return ROOT / "benchmarks/runs/results.jsonl"


class Source(NamedTuple):
    """What a data set is made from."""

    log: str
    protocol: str
    preset: str = ""  # of `tools.preprocess`, for what is not here; empty: a file of sequences
    options: tuple[str, ...] = ()  # of `tools.preprocess`, after the protocol


def source(dataset) -> Source:
    """The log that a data set is made from and the protocol, which the end of its name tells; without one ComiRec's."""
    for end, (protocol, *options) in ENDS.items():
        if dataset.endswith(end):
            return Source(dataset.removesuffix(end), protocol, options=tuple(options))
    return Source(dataset, "comirec", preset=PRESETS.get(dataset, ""))


def configurations(dataset) -> dict[str, Path]:
    """`RECIPE/MODEL` -> the file of each row of a data set's table, the papers' recipes first.

    Raises:
        UserError: where there is no such data set among the configurations.
    """
    folder = ROOT / "benchmarks/configs"
    found = {f"{path.parent.name}/{path.stem}": path for path in folder.glob(f"{dataset}/*/*.yaml")}
    if not found:
        known = sorted(path.name for path in folder.iterdir())
        raise UserError(f"--dataset {dataset}: not one of {', '.join(known)}{did_you_mean(dataset, known)}")
    return dict(sorted(found.items(), key=lambda one: (not one[0].startswith("paper/"), one[0])))


def configuration(dataset, label) -> Path:
    """The file of `RECIPE/MODEL`; a `UserError` where there is none."""
    found = configurations(dataset)
    if label not in found:
        raise UserError(
            f"{label}: not one of {dataset}'s configurations, {', '.join(found)}{did_you_mean(label, found)}"
        )
    return found[label]


def runs(path, rows, overrides=()) -> dict[int, dict]:
    """Seed -> the row of a configuration as it is now; the rows of other settings that it once had are passed over.

    The seed makes no difference, nor do keys of other models, whose defaults are those of the row's time.
    """
    name, settings = path.relative_to(ROOT).as_posix(), portable(load_settings(path, overrides, MODELS))
    passed_over = {"runner.seed"} | useless_keys(settings["hyper_parameters.model"], MODELS)
    now = {key: settings[key] for key in settings.keys() - passed_over}
    found = {}
    for row in rows:
        if row["config"] == name:
            then = settings_of(row)
            if {key: then[key] for key in then.keys() - passed_over} == now:
                found[row["seed"]] = row
    return dict(sorted(found.items()))


def settings_of(row) -> dict:
    """The settings of a run; a key that the schema did not have at the time stood at what is now its default."""
    return computed({**portable(Config()), **row["resolved"]})


def shown(metrics):
    """The metrics of the tables, rounded to what a user more or less can tell."""
    return {name: round(value, 6) for name, value in metrics.items() if name.split("@")[0] in SHOWN + SHAPE}


def read_rows(path) -> list[dict]:
    """All runs so far; a `UserError` with the line for what is no row."""
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        row = read_object(line)
        if row is None or not isinstance(row.get("resolved"), dict):
            raise UserError(f"{path}:{number}: {line[:80]!r} is not a row of this command; correct or remove it")
        rows.append(row)
    return rows
