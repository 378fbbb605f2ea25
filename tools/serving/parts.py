"""Files that are written part by part, so that a run that was broken off goes on where it was."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import polars

from tools.common.errors import UserError
from tools.common.files import atomic_file, atomic_path, load_array, map_array
from tools.common.written import append, save_array

TABLES, ARRAYS = (".csv", ".jsonl", ".parquet"), (".npy", ".parquet")
AGAIN = "remove it and run again"


class Parts:
    """Parts of a file, in a folder beside it until all are there.

    Args:
        path: of the file; its ending says the form.
        settings: what it is made of: parts of another run are not taken over.
        kinds: of endings that are known.

    Raises:
        UserError: for another ending.
    """

    def __init__(self, *, path, settings, kinds):
        self.path, self.kind = Path(path), Path(path).suffix.lower()
        if self.kind not in kinds:
            raise UserError(f"{path}: {self.kind or 'no ending'} is not one of {', '.join(kinds)}, which say the form")
        self.folder = self.path.with_name(f"{self.path.name}.parts")
        self.settings, self.number = settings, 0

    def open(self):
        """Take over the parts of the same run, or begin anew."""
        told, now = self.folder / "made_of.json", json.dumps(self.settings, indent=1)
        if self.folder.is_dir() and not (told.is_file() and told.read_text(encoding="utf-8") == now):
            if any(self.folder.iterdir()) and not told.is_file():
                raise UserError(f"{self.folder}: is not ours, and parts would go there; rename it")
            logging.warning("%s: parts of another run, begun anew", self.folder)
            shutil.rmtree(self.folder)
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True)
            with atomic_file(told) as file:
                file.write(now)
        elif kept := len(self._files()):
            logging.info("%s: %d parts are there already", self.folder, kept)

    def has(self, number) -> bool:
        """Whether a part is written."""
        return self._part(number).is_file()

    def _part(self, number):
        return self.folder / f"{number:06d}{self.kind}"

    def _files(self):
        return sorted(self.folder.glob(f"[0-9]*{self.kind}"))

    def note(self, number, without):
        """Note of how many users a part has nothing, before it is written."""
        with atomic_file(self.folder / f"{number:06d}.without") as file:
            file.write(str(without))

    def without(self) -> int:
        """Of how many users all parts have nothing."""
        return sum(int(one.read_text(encoding="utf-8")) for one in self.folder.glob("*.without"))

    def write_table(self, number, frame: polars.DataFrame):
        """Write a part, rows with columns."""
        with atomic_path(self._part(number)) as path:
            if self.kind == ".parquet":
                frame.write_parquet(path)
            elif self.kind == ".csv":
                frame.write_csv(path, include_header=False)
            else:
                frame.write_ndjson(path)

    def write_array(self, number, array):
        """Write a part of an .npy file."""
        with atomic_path(self._part(number)) as path:
            save_array(path, array)

    def join(self, header=""):
        """Put the parts together as the file, and remove them.

        Args:
            header: of CSV.
        """
        files = self._files()
        with atomic_path(self.path) as path:
            if self.kind == ".parquet":
                polars.scan_parquet(files).sink_parquet(path)
            elif self.kind == ".npy":
                _join_arrays(files, path)
            else:
                with open(path, "wb") as whole:
                    whole.write(header.encode() if self.kind == ".csv" else b"")
                    for one in files:
                        with open(one, "rb") as file:
                            shutil.copyfileobj(file, whole)
        shutil.rmtree(self.folder)


def _join_arrays(files, path):
    first = load_array(files[0], AGAIN)
    rows = sum(len(map_array(one, AGAIN)) for one in files)
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, *first.shape[1:])}
    with open(path, "wb") as whole:
        np.lib.format.write_array_header_1_0(whole, header)
        for one in files:
            append(whole, load_array(one, AGAIN))
