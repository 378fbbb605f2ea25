"""The curves of a training run: history.csv beside its checkpoints, and what other loggers get of it."""

import csv
from pathlib import Path

from tools.common import ranks
from tools.common.errors import UserError
from tools.common.files import atomic_file, decode, read_bytes
from tools.training.loggers import Loggers

NAME = "history.csv"
PARTS = ("train", "valid")  # what is measured, the first half of a tag
HEADER = ["step", "epoch", "tag", "value"]  # one value a row: whatever is measured, the columns stay


class History:
    """Appends `step,epoch,tag,value` rows, tags such as `train/loss` and `valid/recall@50`.

    Args:
        config: the configuration; its `runner.model_save_path` is the folder of the checkpoints.
        state: where the run stands, a `tools.training.resume.RunState`; what an interrupted run wrote after it goes.

    Raises:
        UserError: without the extra that a logger needs, or where history.csv is not what this class writes.
    """

    def __init__(self, config, *, state):
        self.path = Path(config.runner.model_save_path) / NAME
        last = {"train": state.step, "valid": state.evaluated}
        self.kept = [row for row in read(self.path) if row[0] <= last[row[2].split("/")[0]]] if state.step else []
        self.begun = False  # a file is written with the first values, not by a run that never has any
        self.loggers = Loggers(config, rows=self.kept, step=state.step)

    def __enter__(self):
        self.loggers.begin()
        return self

    def __exit__(self, kind, *_):
        self.loggers.end(failed=kind is not None)

    @ranks.first_only
    def add(self, step, epoch, part, values):
        """Note values of a part, `train` or `valid`, after so many steps; `values` is name -> number."""
        rows = [(step, epoch, f"{part}/{name}", value) for name, value in values.items()]
        if self.begun:
            with open(self.path, "a", encoding="utf-8", newline="") as file:
                _write(file, rows)
        else:
            with atomic_file(self.path) as file:
                _write(file, [HEADER, *self.kept, *rows])
            self.begun = True
        self.loggers.add(step, {tag: float(value) for _, _, tag, value in rows})


def _write(file, rows):
    csv.writer(file, lineterminator="\n").writerows(
        (*row[:3], f"{row[3]:.8g}" if isinstance(row[3], float) else row[3]) for row in rows
    )


def read(path) -> list[tuple[int, int, str, float]]:
    """The rows of a history.csv, none where there is no such file; a last one that was cut short is left out.

    Raises:
        UserError: for a row that is none, with its line.
    """
    if not Path(path).is_file():
        return []
    data = read_bytes(path).rstrip(b"\0")  # which a file system may leave of a line after a crash
    whole = decode(data, path).split("\n")[1:-1]  # a whole line ends in a line end: the last is empty or cut
    return [_row(path, number, line) for number, line in enumerate(whole, 2)]


def _row(path, number, line):
    try:
        step, epoch, tag, value = line.split(",")
        if tag.partition("/")[0] not in PARTS:
            raise ValueError(tag)
        return int(step), int(epoch), tag, float(value)
    except ValueError:
        raise UserError(f"{path}:{number}: {line[:80]!r} is not {','.join(HEADER)}; remove the row") from None
