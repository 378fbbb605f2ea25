"""The model zoo: small trained models of MovieLens 100K as release files, each under 2 MB.

Example: python -m benchmarks.zoo --output zoo
Example: python -m benchmarks.zoo --output zoo --models mind comirec_dr

Of each model MODEL.zip is its export, which recommends at once, and MODEL-run.zip its best checkpoint with what it was
trained and measured with, which needs the data set. `comirec_dr` has D = 32 whatever the yaml says, so that its many
matrices fit; -o has the last word. zoo.json has figures on test, seed, versions and checksums, and SHA256SUMS the
checksums as `sha256sum -c` reads them. `tools.api.load` opens all of them. Trained models stay in FOLDER/work; a
command that was killed goes on where it was.
"""

import argparse
import json
import shlex
from datetime import date
from pathlib import Path

import faiss
import numpy as np
import paddle

import infer
import trainer
from models import MODELS
from tools.api import Data, load
from tools.common import archive
from tools.common.errors import UserError, command
from tools.common.files import atomic_file, sha256
from tools.common.progress import SHOWN
from tools.serving.exporter import export
from tools.training import checkpoint, history, runs, runtime
from tools.training.settings import load_settings

DEFAULT = ("mind", "comirec_dr", "comirec_sa", "youtube_dnn", "sasrec")
LARGEST = 2_000_000  # bytes of a file
SMALLER = {"comirec_dr": ["hyper_parameters.embedding_dim=32"]}  # it has a matrix for each position and interest
SUMS = "SHA256SUMS"


@command
def main(argv=None):
    """Train, measure, export, pack, and look whether what was packed can be loaded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--config_yaml", default="config.yaml", help="of all models; default: %(default)s")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=DEFAULT, metavar="MODEL")
    parser.add_argument("--output", type=Path, default=Path("zoo"), metavar="FOLDER", help="default: %(default)s")
    parser.add_argument("-o", "--opt", nargs="+", default=[], metavar="KEY=VALUE", help="override keys of the yaml")
    args = parser.parse_args(argv)
    rows = []
    for name in args.models:
        folder = args.output / "work" / name
        options = [*SMALLER.get(name, ()), *args.opt]
        options += [f"hyper_parameters.model={name}", f"runner.model_save_path={json.dumps(str(folder))}"]
        trainer.main(["-m", args.config_yaml, "-o", *options, "runner.resume=auto"])
        infer.main(["-m", args.config_yaml, "-o", *options])
        settings = load_settings(args.config_yaml, options, MODELS)
        runtime.prepare(settings.runner.use_gpu, settings.runner.seed)  # as `tools.export`, whatever was drawn before
        export(settings, folder / "export")
        row = packed(name, folder, args.output, settings)
        words = ["-m", args.config_yaml, "--models", name, *(["-o", *args.opt] if args.opt else [])]
        row["command"] = f"python -m benchmarks.zoo {shlex.join(words)}"
        rows.append(row)
    write(args.output, rows)


def packed(name, folder, output, settings) -> dict:
    """Pack a trained model; its row of zoo.json."""
    whole = [folder / part for part in (checkpoint.BEST, runs.METRICS, history.NAME)]
    files = {f"{name}.zip": ([folder / "export"], folder / "export"), f"{name}-run.zip": (whole, folder)}
    for file, (paths, root) in files.items():
        archive.pack(paths, root, output / file)
        if (size := (output / file).stat().st_size) > LARGEST:
            raise UserError(f"{output / file}: {size:,} bytes, and a file of the zoo has at most {LARGEST:,}")
    exported, run = (output / file for file in files)
    check(exported, run, Path(settings.runner.train_data_dir).parent)
    test = json.loads((folder / runs.METRICS).read_text(encoding="utf-8"))[f"{name} {checkpoint.BEST}"]
    return {
        "model": name, "seed": settings.runner.seed, "date": date.today().isoformat(),
        "versions": {"paddle": paddle.__version__, "faiss": faiss.__version__, "numpy": np.__version__},
        "test": {key: value for key, value in test.items() if key.partition("@")[0] in SHOWN},
        "files": {file: {"bytes": (output / file).stat().st_size, "sha256": sha256(output / file)} for file in files},
    }  # fmt: skip


def check(exported, run, data):
    """See that both files can be loaded and recommend the same; a `UserError` otherwise."""
    served, trained = load(exported), load(run, data=data)
    asked = dict(list(Data(data).histories().items())[:1])
    if not served.recommend(asked, top_n=20).equals(trained.recommend(asked, top_n=20)):
        raise UserError(f"{exported} and {run} recommend different items")


def write(output, rows):
    """zoo.json and SHA256SUMS; models of an earlier command whose files are still there stay listed."""
    path = output / "zoo.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    new = {row["model"] for row in rows}
    rows = sorted([*rows, *(row for row in known if row["model"] not in new)], key=lambda row: row["model"])
    with atomic_file(path) as file:
        json.dump(rows, file, indent=1)
    with atomic_file(output / SUMS) as file:
        file.writelines(f"{one['sha256']}  {name}\n" for row in rows for name, one in row["files"].items())
    for row in rows:
        sizes = ", ".join(f"{name} {one['bytes']:,} bytes" for name, one in row["files"].items())
        print(f"{row['model']}: {sizes}")


if __name__ == "__main__":
    main()
