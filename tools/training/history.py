"""The curves of a training run: history.csv beside its checkpoints, and a VisualDL log with `runner.use_visual`."""

import csv
from pathlib import Path

from tools.common import ranks
from tools.common.errors import UserError
from tools.common.files import atomic_file, decode, read_bytes

NAME = "history.csv"
PARTS = ("train", "valid")  # what is measured, the first half of a tag
HEADER = ["step", "epoch", "tag", "value"]  # one value a row: whatever is measured, the columns stay


class History:
    """Appends `step,epoch,tag,value` rows, tags such as `train/loss` and `valid/recall@50`.

    Args:
        folder: of the checkpoints.
        state: where the run stands, a `tools.training.resume.RunState`; what an interrupted run wrote after it goes.
        visual: whether to write VisualDL's log too, into `visual/`.

    Raises:
        UserError: without the extra that `visual` needs, or where history.csv is not what this class writes.
    """

    def __init__(self, *, folder, state, visual):
        self.path = Path(folder) / NAME
        last = {"train": state.step, "valid": state.evaluated}
        self.kept = [row for row in read(self.path) if row[0] <= last[row[2].split("/")[0]]] if state.step else []
        self.begun = False  # a file is written with the first values, not by a run that never has any
        self.writer = visual_writer(self.path.with_name("visual")) if visual else None
        self.handed = 0  # values to VisualDL

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
        if self.writer:
            for _, _, tag, value in rows:
                self.writer.add_scalar(tag=tag, step=step, value=float(value))
                self.handed += 1

    def close(self):
        """Hand VisualDL's log to the disk, which its writer does by itself only now and then.

        Raises:
            UserError: where a value is not in the log then: the writer goes on after a write that failed.
        """
        if self.writer:
            path = self.writer.file_name if self.handed else None
            self.writer.close()
            if path and (found := _visual_values(path)) < self.handed:
                told = f"{found} of {self.handed} values could be written for VisualDL"
                raise UserError(f"{path}: {told}; check space and limits; {self.path} has all")


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


def _visual_values(path):
    """How many values VisualDL reads in a log of its own."""
    from visualdl import LogReader

    try:
        reader = LogReader(file_path=str(path))
        return sum(len(reader.get_data("scalar", tag)) for tag in reader.get_tags().get("scalar", ()))
    except Exception:  # whatever it makes of a record that is cut
        return 0


@ranks.first_only
def visual_writer(folder):
    """VisualDL's writer; a `UserError` without the extra."""
    try:
        from visualdl import LogWriter
    except ImportError:
        raise UserError("runner.use_visual needs an extra; install it with: pip install '.[visual]'") from None
    return LogWriter(logdir=str(folder))
