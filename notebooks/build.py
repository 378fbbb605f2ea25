"""Make the notebooks from their sources, with the outputs of one full run: python -m notebooks.build

quickstart.py has the code, and the prose in English. quickstart_cn.md has the prose in Chinese, its cells between lines
of ---. So one run serves both.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOK, CHINESE = ROOT / "notebooks/quickstart.ipynb", ROOT / "notebooks/quickstart_cn.ipynb"


def read_source(path=NOTEBOOK):
    """The source of a notebook as one without outputs; the same text gives the same notebook."""
    notebook = jupytext.read(NOTEBOOK.with_suffix(".py"))
    if path == CHINESE:
        english = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
        chinese = path.with_suffix(".md").read_text(encoding="utf-8").rstrip("\n").split("\n\n---\n\n")
        for cell, text in zip(english, chinese, strict=True):
            cell.source = text
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
    return notebook


def copy_repository(folder):
    """A clone to run in, with the download where it is here already."""

    def ignored(parent, names):
        own = ("data", "output") if Path(parent) == ROOT else ()  # tools/data is a room, and no data
        return [name for name in names if name.startswith(".") or name in own]

    shutil.copytree(ROOT, folder, ignore=ignored, dirs_exist_ok=True)
    download = Path("data/download")
    if (ROOT / download).is_dir():
        shutil.copytree(ROOT / download, folder / download)


def execute(notebook, clone):
    """Run a notebook as one in `clone/notebooks`, by this interpreter; a cell's exception ends it.

    Its outputs are then what a reader sees: without overwritten progress bars, and without the clone's own path.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # for `!python`
    environment = {**os.environ, "PATH": path}
    environment["IPYTHONDIR"] = str(clone / ".ipython")  # none of the user's own settings
    resources = {"metadata": {"path": str(clone / "notebooks")}}
    client = NotebookClient(notebook, resources=resources, timeout=None, record_timing=False, coalesce_streams=True)
    client.execute(env=environment)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    for output in outputs:
        if output.output_type == "stream":
            text = output.text.replace("\r\n", "\n").replace(f"{clone}/", "")
            output.text = re.sub(r"[^\n]*\r", "", text)  # what follows a return overwrites, as in a terminal


def translate(executed):
    """The Chinese notebook with the outputs of the English one."""
    notebook = read_source(CHINESE)
    for ours, cell in zip(notebook.cells, executed.cells, strict=True):
        if cell.cell_type == "code":
            ours.outputs, ours.execution_count = cell.outputs, cell.execution_count
    return notebook


def main():
    """Write both notebooks."""
    notebook = read_source()
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder).resolve()
        copy_repository(clone)
        execute(notebook, clone)
    nbformat.write(notebook, NOTEBOOK)
    nbformat.write(translate(notebook), CHINESE)


if __name__ == "__main__":
    main()
