"""What a model costs on Amazon Beauty in its paper's recipe: time and peak memory, a JSON line and a process a model.

Example: python -m benchmarks.speed.cost > benchmarks/runs/cost.jsonl
Example: python -m benchmarks.speed.cost --models mind spectral

A step's time is the median of 3 runs of 200 steps, reader included; a model without steps is fitted once. Peak memory
is of the whole process, Paddle's 300 MB included. `benchmarks.tables` writes the table of docs/speed.md from
speed.jsonl (`benchmarks.speed.train --model all`) and cost.jsonl, and the READMEs' short one from speed.jsonl. The
seconds to the best step on valid, without evaluations, are a step's time, times the mean best step in results.jsonl.
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
SHORT = ("mind", "comirec_dr", "comirec_sa", "youtube_dnn")  # rows of the READMEs' table
WORDS = {
    "docs/speed.md": (
        "model", "samples/s", "ms", "times `mind`", "times faster than dense", "times the products",
        "Beauty: ms", "seconds to the best", "peak MB",
    ),
    "README.md": ("model", "samples/s", "ms a step", "ms a step, dense table", "times faster"),
    "README_CN.md": ("模型", "样本/秒", "每步毫秒", "每步毫秒,稠密表", "快几倍"),
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
    """The Markdown table of a few models beside the dense step; `words` head its columns."""
    speed, cells = {row["model"]: row for row in read("speed")}, [list(words)]
    for model in SHORT:
        ms, times = speed[model]["ms_per_step"], speed[model]["times_dense"]
        cells.append([
            f"`{model}`", f"{speed[model]['samples_per_s']:,}", f"{ms:.2f}", f"{ms * times:.0f}", f"{times:.1f}"
        ])  # fmt: skip
    return markdown(cells)


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
