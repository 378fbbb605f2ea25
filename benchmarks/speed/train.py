"""Training speed: the trainer's real loop, reader included, as one JSON line.

Example: python -m benchmarks.speed.train --model mind --item_count 368000 --batch 128 --negatives 1280
Example: python -m benchmarks.speed.train --model all
Example: python -m benchmarks.speed.train --batch 1024 --peer /path/to/torch/bin/python
Example: python -m benchmarks.speed.train --model mind remi --compiled --against plain

A line for each model; `all` are those that are trained by gradient.

Ratios stand beside the samples a second, measured in the same run. `times_mind`: how many times slower than `mind` in
the same graph. `times_dense`: how many times faster than the same step with a dense table and plain Adam, which is what
PaddleRec's MIND does. `times_gemm`: how many times slower than the three products of the sampled logits alone.
`times_dynamic`: with `--graph static`, how many times slower than the dynamic graph. `times_peer`: with `--peer`, the
samples a second over those of `benchmarks.speed.torch_peer`, compiled, which runs MIND in turn with ours; the median of
5 pairs; PyTorch has all cores, as it takes by itself. `paired_samples_per_s` and `peer_samples_per_s` are the two. With
`--against` nothing but the seconds and processor seconds of a step over those of the same step with plain formulas, or
in the dynamic graph, in turn as well: `times` and `times_cpu`, which a busy machine disturbs least. Models are at their
defaults, ids are uniform over 1…V, all T positions are filled.
"""

import argparse
import json
import logging
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import yaml

from models import MODELS
from models.layers import compiled
from tools.common.errors import command
from tools.common.ragged import ragged
from tools.config.arguments import item_count, positive
from tools.config.load import Config
from tools.config.schema import HyperParameters, Runner
from tools.data.dataset import write_split
from tools.training import runtime
from tools.training.static import GRAPHS
from trainer import Trainer

GRADIENT_MODELS = [name for name, model in MODELS.items() if hasattr(model, "loss")]
MAXLEN, POSITIONS, RUNS = 20, 20, 3  # POSITIONS: eligible positions a user
PAIRS = 5  # of ours and PyTorch's, or of two ways
# What the runner of the other way has.
AGAINST: dict[str, dict[str, Any]] = {"plain": {"compiled": False}, "dynamic": {"graph": "dynamic"}}
ROOT = Path(__file__).parents[2]


@command
def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=[*GRADIENT_MODELS, "all"], nargs="+", default=["mind"])
    parser.add_argument("--graph", choices=GRAPHS, default="dynamic")
    parser.add_argument("--item_count", type=item_count, default=368_000, help="rows of the item table")
    parser.add_argument("--batch", type=positive, default=128)
    parser.add_argument("--negatives", type=positive, default=1280)
    parser.add_argument("--steps", type=positive, default=200, help="steps a run; the median of 3 runs counts")
    parser.add_argument("--compiled", action="store_true", help="with runner.compiled; needs the extra speed")
    parser.add_argument("--peer", help="a Python with PyTorch: measure its MIND in turn with ours")
    parser.add_argument("--against", choices=AGAINST, help="measure in turn with this alone")
    args = parser.parse_args(argv)
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        settings = write_data(Path(folder), args, args.compiled)
        runtime.prepare(use_gpu=False, seed=settings.runner.seed)
        for model in GRADIENT_MODELS if "all" in args.model else args.model:
            if args.against:
                line = against(settings, model, args)
            else:
                line = row(model, measure(settings, model, args.graph), args)
            print(json.dumps(line | (peer(settings, model, args) if args.peer else {})), flush=True)


def row(model, seconds, args):
    """The line of one model."""
    step = seconds["step"]
    return {
        "model": model, "graph": args.graph, "item_count": args.item_count, "batch": args.batch,
        "negatives": args.negatives, "compiled": args.compiled, "samples_per_s": round(args.batch / step),
        "ms_per_step": round(1e3 * step, 2),
        "times_mind": round(step / seconds["mind"], 2), "times_dense": round(seconds["dense"] / step, 1),
        "times_gemm": round(step / seconds["gemm"], 1), "times_dynamic": round(step / seconds["dynamic"], 2),
        "steps": args.steps, "seed": Runner.seed, "paddle": paddle.__version__, "date": date.today().isoformat(),
    }  # fmt: skip


def write_data(folder, args, compiled=False) -> Config:
    """A data set with enough positions for `--steps`, and the configuration that trains on it."""
    rng = np.random.default_rng(0)
    users = -(-args.steps * args.batch // POSITIONS)
    items = ragged(np.full(users, MAXLEN + POSITIONS), rng.integers(1, args.item_count, users * (MAXLEN + POSITIONS)))
    times = np.tile(np.arange(MAXLEN + POSITIONS), users)
    entry = write_split(folder / "train", np.arange(users), items, times)
    (folder / "meta.yaml").write_text(yaml.safe_dump({"splits": {"train": entry}}))
    runner = Runner(train_batch_size=args.batch, print_interval=10**9, compiled=compiled, overwrite=True)
    train, output = str(folder / "train"), str(folder / "output")
    runner = replace(runner, train_data_dir=train, valid_data_dir=train, model_save_path=output)
    hyper = HyperParameters(item_count=args.item_count, neg_samples=args.negatives)
    return Config(runner, replace(hyper, maxlen=MAXLEN, min_history=MAXLEN))


def measure(settings, model, graph) -> dict[str, float]:
    """Seconds a step: of the model, in the dynamic graph, of `mind`, of a dense table, of the bare products."""
    kinds = dict.fromkeys([(model, graph), (model, "dynamic"), ("mind", graph)])
    trainers = {kind: open_trainer(settings, *kind) for kind in kinds}
    runs: dict[tuple, list[float]] = {kind: [] for kind in kinds}
    for _ in range(RUNS):
        for kind, trainer in trainers.items():  # in turn, since the machine's speed drifts
            start = time.perf_counter()
            trainer.train_epoch()
            runs[kind].append((time.perf_counter() - start) / trainer.train_data.batches)
    median = {kind: statistics.median(seconds) for kind, seconds in runs.items()}
    return {
        "step": median[model, graph], "dynamic": median[model, "dynamic"], "mind": median["mind", graph],
        "dense": dense_seconds(trainers[model, "dynamic"]), "gemm": gemm_seconds(settings),
    }  # fmt: skip


def peer(settings, model, args) -> dict:
    """How many times the samples a second of PyTorch's compiled MIND, in pairs run one after the other."""
    options = {"item_count": args.item_count, "batch": args.batch, "negatives": args.negatives, "steps": args.steps}
    words = [args.peer, "-m", "benchmarks.speed.torch_peer"]
    words += [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    free = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}  # Paddle sets it to 1
    trainer, pairs = open_trainer(settings, model, args.graph), []
    for _ in range(PAIRS):
        ours = timed_epoch(trainer)
        done = subprocess.run(words, cwd=ROOT, env=free, check=True, capture_output=True, text=True)
        theirs = json.loads(done.stdout.splitlines()[-1])
        pairs.append((*ours, theirs["ms_per_step"] / 1e3, theirs["cpu_ms_per_step"] / 1e3))
    wall, work = (statistics.median(pair[kind + 2] / pair[kind] for pair in pairs) for kind in (0, 1))
    own, its = (args.batch / statistics.median(pair[kind] for pair in pairs) for kind in (0, 2))
    return {
        "times_peer": round(wall, 2), "times_peer_cpu": round(work, 2), "paired_samples_per_s": round(own),
        "peer_samples_per_s": round(its), "torch": theirs["torch"], "peer_threads": theirs["threads"],
    }  # fmt: skip


def against(settings, model, args) -> dict:
    """How many times the seconds of the same model otherwise, in pairs run one after the other."""
    own = replace(settings.runner, graph=args.graph)
    runners = own, replace(own, **AGAINST[args.against])
    trainers = [open_trainer(replace(settings, runner=one), model, one.graph) for one in runners]
    pairs = []
    for _ in range(PAIRS):
        both = []
        for trainer in trainers:
            compiled.turn_on(trainer.runner.compiled)
            both.append(timed_epoch(trainer))
        pairs.append([own / theirs for own, theirs in zip(*both, strict=True)])
    wall, work = (round(statistics.median(one), 2) for one in zip(*pairs, strict=True))
    return {
        "model": model, "graph": args.graph, "compiled": args.compiled, "against": args.against, "times": wall,
        "times_cpu": work, "item_count": args.item_count, "batch": args.batch, "negatives": args.negatives,
        "steps": args.steps, "seed": Runner.seed, "paddle": paddle.__version__, "date": date.today().isoformat(),
    }  # fmt: skip


def timed_epoch(trainer) -> tuple[float, float]:
    """Seconds and processor seconds of a step."""
    start, cpu = time.perf_counter(), time.process_time()
    trainer.train_epoch()
    batches = trainer.train_data.batches
    return (time.perf_counter() - start) / batches, (time.process_time() - cpu) / batches


def open_trainer(settings, model, graph):
    """A trainer of its own, warm."""
    hyper, runner = replace(settings.hyper_parameters, model=model), replace(settings.runner, graph=graph)
    trainer = Trainer(Config(runner, hyper))
    run_steps(trainer, 10)
    return trainer


def dense_seconds(trainer, steps=8):
    """Seconds a step after the table's gradient is made dense and its optimizer plain Adam."""
    trainer.model.item_table._sparse = False
    trainer.optimizer = paddle.optimizer.Adam(1e-3, parameters=trainer.model.parameters())
    run_steps(trainer, 2)
    start = time.perf_counter()
    run_steps(trainer, steps)
    return (time.perf_counter() - start) / steps


def run_steps(trainer, steps):
    """Some steps of the first epoch."""
    trainer.train_data.set_epoch(0)
    for step in range(steps):
        trainer.train_step(trainer.train_data.batch(step))


def gemm_seconds(settings):
    """Seconds for the sampled logits' product and the two of its gradient, float32."""
    hyper, batch = settings.hyper_parameters, settings.runner.train_batch_size
    user, candidate = (paddle.randn([rows, hyper.embedding_dim]) for rows in (batch, hyper.neg_samples))
    logits = paddle.matmul(user, candidate, transpose_y=True)
    seconds = []
    for _ in range(30):
        start = time.perf_counter()
        paddle.matmul(user, candidate, transpose_y=True)
        paddle.matmul(logits, candidate)
        paddle.matmul(logits, user, transpose_x=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
