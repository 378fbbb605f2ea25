"""The faults that `benchmarks.hostile` tries: what is harmed, what is run, what must come of it."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tools.common import checksums, unpickle

TRAIN = "{python} trainer.py -m {folder}/config.yaml -o runner.model_save_path={folder}/out"
RESUME = f"{TRAIN} runner.resume=auto"
INIT = "{python} trainer.py -m {folder}/config.yaml -o runner.model_save_path={folder}/new"
INIT += " runner.model_init_path={folder}/out/best"
INFER = "{python} infer.py -m {folder}/config.yaml -o runner.model_save_path={folder}/out"
STRANGER = "{python} infer.py -m {folder}/out/best/config.yaml"
EXPORT = f"{INFER.replace('infer.py', '-m tools.export')} runner.index=ivf"
ASK = "{python} -m tools.predict {folder}/out/export"
PREDICT = f"{ASK} {{folder}}/histories.jsonl --top_n 3"

# A type of numbers whose state says that it holds objects: numpy would take the bytes of an array as addresses.
OBJECTS = (
    b"cnumpy\ndtype\n(X\x02\x00\x00\x00u8\x89\x88tR(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb"
)
ADDRESSES = (
    b"\x80\x03}X\x11\x00\x00\x00item_table.weightcnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01b"
    b"tR(K\x01K\x01\x85" + OBJECTS + b"\x89C\x08\xef\xbe\xad\xde\x00\x00\x00\x00tbs."
)


class Case(NamedTuple):
    """A fault: survived where the command ends with the code, in time, and tells what is expected in one line."""

    name: str
    harm: Callable[[Path], object]  # of the folder of a whole project
    run: str  # a line for the shell
    told: str = ""  # in the one line of an error, or in what is printed
    code: int = 2


class Crafted:
    """Pickled as a call that leaves a mark."""

    def __reduce__(self):
        return os.system, ("touch executed",)


def nothing(folder):
    """Leave all as it is."""


def put(name, content):
    """Write a file, and the sums of its folder anew, so that it looks meant."""

    def harm(folder):
        path = folder / name
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        if (path.parent / checksums.NAME).exists():
            checksums.write(path.parent)

    return harm


def link(name, target, make=os.symlink):
    """Put a link in the place of a file."""

    def harm(folder):
        (folder / name).unlink(missing_ok=True)
        make(target, folder / name) if make is os.symlink else make(folder / name)

    return harm


def changed(name, change):
    """Change the bytes of a file, and the sums of its folder."""
    return lambda folder: put(name, change((folder / name).read_bytes()))(folder)


def replaced(name, old, new):
    """Replace bytes of a file, and the sums of its folder."""
    return changed(name, lambda data: data.replace(old, new))


def parameters(name, change):
    """Change each array of a file of parameters."""

    def harm(folder):
        state = unpickle.read(folder / name)
        state = {key: change(one) if isinstance(one, np.ndarray) else one for key, one in state.items()}
        put(name, pickle.dumps(state, 4))(folder)

    return harm


def state(**values):
    """Change `state.json` of the whole epoch, which a run goes on from where `best` is gone."""

    def harm(folder):
        shutil.rmtree(folder / "out/best")
        told = json.loads((folder / "out/0/state.json").read_text(encoding="utf-8")) | values
        put("out/0/state.json", json.dumps(told).encode())(folder)

    return harm


def newest(harm):
    """Harm the checkpoint that a run goes on from."""

    def both(folder):
        state()(folder)
        harm(folder)

    return both


def without(name):
    """Take a file out of the newest checkpoint."""

    def harm(folder):
        (folder / "out/0" / name).unlink()
        checksums.write(folder / "out/0")

    return newest(harm)


def sums(name):
    """A list of sums that names another file."""
    return lambda folder: (folder / "out/best/SHA256SUMS").write_text(f"{'0' * 64}  {name}\n" * 2)


def vectors(change):
    """Change the item vectors of the export."""

    def harm(folder):
        path = folder / "out/export/item_vectors.npy"
        array = change(np.load(path))
        with open(path, "wb") as file:
            np.lib.format.write_array(file, array)
        checksums.write(path.parent)

    return harm


def bomb(folder):
    """Values of features of a few megabytes that unpack to gigabytes."""
    np.savez_compressed(folder / "out/best/features.npz", a=np.zeros(1 << 30, np.int8))
    checksums.write(folder / "out/best")


def own_reader(folder):
    """A reader of the user's, which fails at the third batch."""
    text = "import reader\nclass RecDataset(reader.RecDataset):\n  def batch(self, step):\n    if step > 2: raise {}\n"
    text += "    return super().batch(step)\n"
    for name, error in (("memory", "MemoryError"), ("told", "reader.UserError('the log has a hole')")):
        (folder / f"{name}.py").write_text(text.format(error), encoding="utf-8")


def stranger(folder):
    """A checkpoint whose configuration names a module beside it."""
    (folder / "evil.py").write_text("open('executed', 'w')\n", encoding="utf-8")
    replaced("out/best/config.yaml", b"infer_reader_path: reader", b"infer_reader_path: evil")(folder)


def reading(name, workers):
    """Train with one of the readers of `own_reader`."""
    return f"PYTHONPATH={{folder}} {INIT} runner.train_reader_path={name} runner.num_workers={workers}"


TOWER, PARAMS = "out/export/user_tower", "out/best/rec.pdparams"
SHAPE, HUGE = b"(61, 8), }            ", b"(61, 999999999999), } "
MANY = "x" * 5000
KILLED, ENDLESS = "timeout --foreground -s KILL 30", "runner.num_workers=2 runner.epochs=100000"
CASES = [
    Case("nothing: infer", nothing, INFER, "epoch: best done", 0),
    Case("nothing: resume", nothing, RESUME, "resumed from", 0),
    Case("nothing: predict", nothing, PREDICT, "2 users", 0),
    # Executes nothing.
    Case("a pickle that calls", put(PARAMS, pickle.dumps({"a": Crafted()})), INFER, "parameters need no code"),
    Case("a pickle of addresses: infer", put(PARAMS, ADDRESSES), INFER, "a type that is not plain"),
    Case("a pickle of addresses: model_init_path", put(PARAMS, ADDRESSES), INIT, "a type that is not plain"),
    Case("a configuration that names code", stranger, f"PYTHONPATH={{folder}} {STRANGER}", "a checkpoint may not name"),
    Case("an operator that writes", replaced(f"{TOWER}.json", b"1.softmax", b"1.save_combine"), PREDICT, "1.save_"),
    Case("sums of a device", sums("/dev/zero"), INFER, "leads out of the folder"),
    Case("a checkpoint with a device", link("out/best/more", "/dev/zero"), INFER, "not a regular file"),
    Case("a checkpoint with a pipe", link("out/best/more", "", os.mkfifo), INFER, "not a regular file"),
    Case("a link out of the checkpoint", link("out/best/features.npz", "/etc/hostname"), INFER, "features.npz"),
    Case("a bomb", bomb, INFER, "that unpack to"),
    Case("a header of terabytes", replaced("out/export/item_vectors.npy", SHAPE, HUGE), PREDICT, "not readable"),
    Case("a yaml of 60 MB", put("config.yaml", b"a: " + b"x" * (60 << 20)), INFER, "larger than"),
    Case("a yaml without end", link("config.yaml", "/dev/zero"), INFER, "larger than"),
    Case("a path of 5,000 characters", nothing, f"{ASK} {MANY}", "too long"),
    Case("a long path in the yaml", nothing, f"{INFER} runner.infer_load_path={MANY}", "at most 4,096"),
    Case("a billion items a list", nothing, f"{PREDICT} --top_n 1000000000", "from 1 to 100000"),
    Case("a billion cells", nothing, f"{INFER} runner.index=IVF999999999,Flat", "IVF999999999"),
    Case("vectors of 2^31 - 1", nothing, f"{INIT} hyper_parameters.embedding_dim=2147483647", "embedding_dim"),
    # Never hangs.
    Case("a reader out of memory", own_reader, reading("memory", 0), "out of memory"),
    Case("a reader that tells", own_reader, reading("told", 0), "the log has a hole"),
    Case("a reader process that tells", own_reader, reading("told", 2), "the log has a hole"),
    Case("a trainer killed with its readers", nothing, f"{KILLED} {INIT} {ENDLESS}", "", 137),
    # Errors of writing are seen.
    Case("no room for a checkpoint", nothing, f"ulimit -f 4; {INIT}", "cannot be written"),
    Case("no room for an export", nothing, f"ulimit -f 20; {EXPORT} --output {{folder}}/more", "cannot be written"),
    Case("no room for the answers", nothing, f"{PREDICT} > /dev/full", "no space is left"),
    Case("no room for a table", nothing, f"{INFER} --recommend /dev/full/table", "cannot be written"),
    # Damaged or odd checkpoints.
    Case("NaN", parameters(PARAMS, lambda one: one * np.float32(np.nan)), INFER, "no finite number"),
    Case("infinity", parameters(PARAMS, lambda one: one + np.float32(np.inf)), INFER, "no finite number"),
    Case("float64", parameters(PARAMS, lambda one: one.astype(float)), INFER, "epoch: best done", 0),
    Case("float16", parameters(PARAMS, lambda one: one.astype(np.float16)), INFER, "epoch: best done", 0),
    Case("whole numbers", parameters(PARAMS, lambda one: one.astype(int)), INFER, "is of type int64"),
    Case("a cut file", changed(PARAMS, lambda data: data[:-9]), INFER, "not parameters"),
    Case("no optimizer", without("rec.pdopt"), RESUME, "no rec.pdopt here"),
    Case("an emptied optimizer", newest(put("out/0/rec.pdopt", pickle.dumps({}, 4))), RESUME, "Adam keeps"),
    Case("a text for a step", state(step="3"), RESUME, "must be a whole number"),
    Case("a batch below 0", state(batch=-1), RESUME, "must be a whole number"),
    Case("NULs in the history", changed("out/history.csv", lambda data: data + bytes(4096)), RESUME, "resumed", 0),
    Case("a file like a scratch folder", put("out/.0-abcdefgh", b"x"), RESUME, "resumed", 0),
    Case("fewer vectors", vectors(lambda array: array[:-1]), PREDICT, "item_count: 60"),
    Case("vectors that are no numbers", vectors(lambda array: array * np.nan), PREDICT, "item_vectors.npy"),
    Case("an empty index", put("out/export/index.faiss", b""), PREDICT, "index.faiss"),
    Case("no program", put(f"{TOWER}.json", b"{}"), PREDICT, "not the program"),
    Case("cut tower", changed(f"{TOWER}.pdiparams", lambda data: data[:-1]), PREDICT, "cut"),
    # Closed streams.
    Case("closed input", nothing, f"{ASK} <&-", "no histories"),
    Case("closed output", nothing, f"{PREDICT} >&-", "standard output is closed"),
    Case("closed errors", nothing, f"{PREDICT} 2>&-", '"items"', 0),
]  # fmt: skip
