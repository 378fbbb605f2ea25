"""What a model costs on Amazon Beauty in its paper's recipe: time and peak memory, a JSON line and a process a model.

Example: python -m benchmarks.speed.cost > benchmarks/runs/cost.jsonl
Example: python -m benchmarks.speed.cost --models mind spectral

A step's time is the median of 3 runs of 200 steps, reader included; a model without steps is fitted once. Peak memory
is of the whole process, Paddle's 300 MB included. `benchmarks.tables` writes the table of docs/speed.md from
speed.jsonl (`benchmarks.speed.train --model all`) and cost.jsonl, and the READMEs' short one from peers.jsonl
(`benchmarks.speed.train --peer`, of each batch size with `--compiled` and without). The seconds to the best step on
valid, without evaluations, are a step's time, times the mean best step in results.jsonl.
"""

import argparse
import json
import logging
import multiprocessing
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

import paddle

from benchmarks.quality import results
from benchmarks.quality.render import in_pages, markdown
from benchmarks.speed import train as train_speed
from benchmarks.speed.memory import megabytes
from models import MODELS
from tools.common.errors import command
from tools.common.files import read_text
from tools.training import runtime
from tools.training.settings import load_settings
from trainer import Trainer

DATASET, STEPS, SEED = "amazon-beauty", 200, 1
WORDS = {
    "docs/speed.md": (
        "model", "samples/s", "ms", "times `mind`", "times faster than dense", "times the products",
        "Beauty: ms", "seconds to the best", "peak MB",
    ),
    "README.md": ("MIND, samples a second", "batch size {:,}", "PaddleRec's dense table and Adam", "this project"),
    "README_CN.md": ("MIND,样本/秒", "批大小 {:,}", "PaddleRec 的稠密表和 Adam", "本项目"),
}  # fmt: skip


@command
def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", choices=MODELS, nargs="+", default=list(MODELS), help="default: all")
    args = parser.parse_args(argv)
    for model in args.models:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            print(json.dumps(pool.submit(measure, model).result()), flush=True)


def measure(model) -> dict:
    """The row of one model: `ms_per_step`, or `fit_s` of one that brings its own `fit`."""
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        overrides = [f"runner.seed={SEED}", f"runner.model_save_path={folder}"]
        settings = load_settings(results.configuration(DATASET, f"paper/{model}"), overrides, MODELS)
        runtime.prepare(use_gpu=False, seed=SEED)
        trainer = Trainer(settings)
        seconds = fit_seconds(trainer) if hasattr(trainer.model, "fit") else step_seconds(trainer)
    return {
        "model": model, "dataset": DATASET, **seconds, "peak_mb": round(megabytes("VmHWM")), "seed": SEED,
        "paddle": paddle.__version__, "date": date.today().isoformat(),
    }  # fmt: skip


def fit_seconds(trainer) -> dict:
    """How long the closed form takes."""
    start = time.perf_counter()
    trainer.model.fit(trainer.train_data.items)
    return {"fit_s": round(time.perf_counter() - start, 2)}


def step_seconds(trainer) -> dict:
    """How long a step takes, warm."""
    train_speed.run_steps(trainer, 10)
    seconds = []
    for _ in range(train_speed.RUNS):
        start = time.perf_counter()
        train_speed.run_steps(trainer, STEPS)
        seconds.append((time.perf_counter() - start) / STEPS)
    return {"ms_per_step": round(1e3 * statistics.median(seconds), 2), "steps": STEPS}


def rendered() -> dict[Path, str]:
    """Page -> its text with the table: `<!-- speed:models -->` in docs/, `<!-- speed:short -->` in the READMEs."""
    tables = {"models": table, "short": short}
    return in_pages("speed", WORDS, lambda name, words: tables[name](words))


def short(words) -> str:
    """The Markdown table of MIND and what others do in the same minutes; `words` head it and name its rows."""
    head, batch, dense, ours = words
    rows = {(row["batch"], row["compiled"]): row for row in read("peers")}
    sizes = sorted({size for size, _ in rows})
    slow, fast = ([rows[size, kind] for size in sizes] for kind in (False, True))
    lines = {
        f"{dense} (Paddle {slow[0]['paddle']})": [row["samples_per_s"] / row["times_dense"] for row in slow],
        f"PyTorch {fast[0]['torch']}, `torch.compile`": [row["peer_samples_per_s"] for row in fast],
        ours: [row["paired_samples_per_s"] for row in slow],
        f"{ours}, `runner.compiled: true`": [row["paired_samples_per_s"] for row in fast],
    }
    cells = [[name, *(f"{round(number):,}" for number in numbers)] for name, numbers in lines.items()]
    return markdown([[head, *map(batch.format, sizes)], *cells])


def table(words) -> str:
    """The Markdown table; `words` head its columns."""
    speed, costs = ({row["model"]: row for row in read(name)} for name in ("speed", "cost"))
    runs, cells = results.read_rows(results.file()), [list(words)]
    for model, cost in costs.items():
        one = speed.get(model)
        figures = ["-"] * 5
        if one:
            figures = [f"{one['samples_per_s']:,}", f"{one['ms_per_step']:.2f}", f"{one['times_mind']:.2f}"]
            figures += [f"{one['times_dense']:.1f}", f"{one['times_gemm']:.1f}"]
        step = f"{cost['ms_per_step']:.2f}" if "ms_per_step" in cost else "-"
        cells.append([f"`{model}`", *figures, step, to_best(cost, runs), f"{cost['peak_mb']:,}"])
    return markdown(cells)


def to_best(cost, rows) -> str:
    """Seconds to the best step, mean over seeds, or of the fit; - where there is no run."""
    if "fit_s" in cost:
        return f"{cost['fit_s']:.1f}"
    found = results.runs(results.configuration(DATASET, f"paper/{cost['model']}"), rows)
    steps = [row["best_step"] for row in found.values()]
    return f"{cost['ms_per_step'] / 1e3 * statistics.mean(steps):,.0f}" if steps else "-"


def read(name) -> list[dict]:
    """The rows of a file beside this one."""
    return [json.loads(line) for line in read_text(results.ROOT / f"benchmarks/runs/{name}.jsonl").splitlines()]


if __name__ == "__main__":
    main()
