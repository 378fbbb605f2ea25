"""Quality of committed configurations on test, over seeds: trains what is missing, one row a run in results.jsonl.

Example: python -m benchmarks.quality.measure --dataset amazon-beauty --models mind remi --recipe paper --seeds 3
Example: python -m benchmarks.quality.measure --dataset amazon-apps --source ../shared/data/amazon-apps
Example: python -m benchmarks.quality.measure --dataset amazon-books --source reviews_Books.json.gz --models mind
Example: python -m benchmarks.quality.measure --render

The configuration of a run is benchmarks/configs/DATASET/RECIPE/MODEL.yaml; a data set that is missing is prepared.
A run that is in the file is not repeated. A run that was killed continues when the command is given again. Then the
tables of docs/results.md and the READMEs and the heads of the configurations are written from the file. --render only
writes.
"""

import argparse
import json
import logging
import sys
import time
from datetime import date
from pathlib import Path

import faiss
import paddle

import infer
import trainer
from benchmarks.quality import published, results
from benchmarks.quality.render import PAGES, rendered, table, write
from models import MODELS
from tools import preprocess
from tools.common import progress
from tools.common.errors import UserError, command
from tools.config.arguments import positive
from tools.data.dataset import read_meta
from tools.training import checkpoint, run_rows, runtime
from tools.training.interrupt import Interrupted
from tools.training.settings import load_settings


@command
def main(argv=None):
    """Run what is missing, render."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", help="a folder of benchmarks/configs")
    parser.add_argument("--models", nargs="+", help="default: all of the recipe")
    parser.add_argument("--recipe", default="paper", help="paper: each paper's own, as public codes have it")
    parser.add_argument("--seeds", type=positive, default=3, help="training seeds 1…N; the split is always the same")
    parser.add_argument(
        "--source",
        type=Path,
        help="what to prepare from: folder of sequences.txt.xz, default ../shared/data/DATASET; "
        "of amazon-books and taobao the log as downloaded",
    )
    parser.add_argument("--render", action="store_true", help="only write the tables")
    args = parser.parse_args(argv)
    check_results(results.file())
    if not args.render:
        if args.dataset is None:
            raise UserError("--dataset is missing; name one, or give --render to write the tables alone")
        campaign(args)
    write(rendered())
    write(published.rendered())
    if args.dataset:
        print(table(args.dataset, results.read_rows(results.file()), PAGES["docs/results.md"]), end="")


def campaign(args):
    """All runs that are asked for and missing."""
    labels = [f"{args.recipe}/{model}" for model in args.models or ()]
    if not labels:
        labels = [label for label in results.configurations(args.dataset) if label.startswith(f"{args.recipe}/")]
    if not labels:
        raise UserError(f"--recipe {args.recipe}: {args.dataset} has no configuration of it; see benchmarks/configs")
    paths = [results.configuration(args.dataset, label) for label in labels]
    prepare(args.dataset, args.source)
    if results.source(args.dataset).preset:
        check_counts(paths)
    for path in paths:
        for seed in range(1, args.seeds + 1):
            if seed not in results.runs(path, results.read_rows(results.file())):
                run_or_stop(path, seed, results.file())


def run_or_stop(path, seed, to, overrides=()):
    """`run_once`, told on the terminal; an interruption ends the command."""
    with progress.logging_to_terminal():
        try:
            run_once(path, seed, to, overrides)
        except Interrupted as stopped:
            logging.info("%s: the run is saved; the same command continues it", stopped)
            sys.exit(stopped.exit_code)


def prepare(dataset, source):
    """Make `data/DATASET` where it is missing; a `UserError` where there is nothing to make it from."""
    output = results.ROOT / "data" / dataset
    if (output / "meta.yaml").is_file():
        return
    argv, made = [dataset], results.source(dataset)
    if made.preset:
        if source is None:
            raise UserError(
                f"--source is missing: the log of {dataset} as downloaded, for tools.preprocess {made.preset}"
            )
        argv = [made.preset, str(source), "--protocol", made.protocol, *made.options]
    elif dataset != "movielens-100k":
        folder = source or results.ROOT.parent / "shared/data" / made.log
        log, attributes = folder / "sequences.txt.xz", folder / "item_attributes.json.xz"
        if not log.is_file():
            raise UserError(f"{log}: no such file to make {output} from; give --source FOLDER, which has it")
        argv = ["sequences", str(log), *(["--attributes", str(attributes)] if attributes.is_file() else [])]
        argv += ["--protocol", made.protocol, *made.options]
    preprocess.main([*argv, "--output", str(output)])


def check_counts(paths):
    """A `UserError` where the data set has another number of items than the configurations say: another edition."""
    for path in paths:
        settings = load_settings(path, (), MODELS)
        said, has = settings.hyper_parameters.item_count, read_meta(settings.runner.train_data_dir).get("item_count")
        if said != has:
            fix = f"sed -i 's/item_count: {said}/item_count: {has}/' {path.parents[1]}/*/*.yaml"
            raise UserError(f"{path}: item_count {said}, and the data set has {has}, of another edition; run: {fix}")


def run_once(path, seed, to, overrides=()):
    """Train, choose on valid, measure on test, add the row; `seconds` are those since it was gone on with.

    Args:
        path: the configuration.
        seed: of the training.
        to: the file that gets the row.
        overrides: `key=value` texts.
    """
    *_, dataset, recipe, name = path.with_suffix("").parts
    words = [one.rpartition("/")[2] for one in overrides]  # of a path its end
    output = Path(f"output/quality/{dataset}/{recipe}/{'-'.join([name, *words, str(seed)])}")
    own = [f"runner.seed={seed}", "runner.resume=auto", "runner.keep_checkpoints=1", f"runner.model_save_path={output}"]
    settings = load_settings(path, [*overrides, *own], MODELS)
    resolved = run_rows.portable(settings)
    unfinished = run_rows.begin(output, json.dumps(resolved))
    started = time.perf_counter()
    runtime.prepare(settings.runner.use_gpu, seed)
    run = trainer.Trainer(settings)
    resumed = run.state.step
    run.train()
    (report,) = infer.best_reports(settings)
    result = report.result()
    infer.write_metrics(settings, {name: result})
    best = json.loads((output / checkpoint.BEST / "state.json").read_text())
    run_rows.append(to, {
        "config": path.relative_to(results.ROOT).as_posix(), "overrides": list(overrides),
        "seed": seed, "date": date.today().isoformat(),
        "versions": {"paddle": paddle.__version__, "faiss": faiss.__version__},
        "steps": run.state.step, "best_step": best["step"], "resumed_at": resumed,
        "seconds": round(time.perf_counter() - started),
        "valid": results.shown(best.get("valid", {})), "test": {name: results.shown(result)},
        **results.of_users(report), "resolved": resolved,
    })  # fmt: skip
    unfinished.unlink()


def check_results(path):
    """A `UserError` now, and not after the first run, where rows cannot be added to the file."""
    try:
        with open(path, "a", encoding="utf-8"):
            results.read_rows(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); check space and rights") from None


if __name__ == "__main__":
    main()
