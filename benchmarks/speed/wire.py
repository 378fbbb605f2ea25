"""What crosses the wire in a training step of several processes, in bytes, as one JSON line a case.

Example: python -m benchmarks.speed.wire --item_count 100000 368000 4000000
Example: python -m benchmarks.speed.wire --item_count 100000 368000 --dense --steps 5

Paddle's launcher starts the trainer's own steps in two processes on this machine. `bytes_per_step` is what a process
sent over the loopback interface meanwhile (/proc/net/dev, packet headers included). With `--dense` the table's gradient
is dense, as with `negatives: full`. Ids in the data are uniform over 1…V, so that few rows repeat. Other traffic of the
interface counts too; a namespace has none:

    unshare --net sh -c "ip link set lo up; python -m benchmarks.speed.wire"
"""

import argparse
import json
import logging
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import paddle

from benchmarks.speed.train import open_trainer, run_steps, write_data
from tools.common import ranks
from tools.common.errors import UserError, command
from tools.config.arguments import item_count, positive
from tools.config.schema import Runner
from tools.training import runtime

ROOT = Path(__file__).parents[2]
PROCESSES = 2


@command
def main(argv=None):
    """Start the processes of each case, and print what the first of them measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--item_count", type=item_count, nargs="+", default=[368_000], help="rows of the item table")
    parser.add_argument("--dense", action="store_true", help="a dense gradient of the table")
    parser.add_argument("--batch", type=positive, default=128, help="samples a process and step")
    parser.add_argument("--negatives", type=positive, default=1280)
    parser.add_argument("--steps", type=positive, default=50)
    args = parser.parse_args(argv)
    if ranks.launched():
        measure(args)
        return
    for items in args.item_count:
        print(launched(items, sys.argv[1:] if argv is None else argv), flush=True)


def launched(items, options) -> str:
    """The line of one case, from processes of its own."""
    with tempfile.TemporaryDirectory() as folder:
        launcher = ["-m", "paddle.distributed.launch", "--nproc_per_node", str(PROCESSES), "--log_dir", folder]
        worker = [sys.executable, "-m", "benchmarks.speed.wire", *options, "--item_count", str(items)]
        words = [sys.executable, *launcher, *worker]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode or not lines:
            raise UserError(f"the processes ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return lines[0]


def measure(args):
    """In a process: some steps, and from the first one the line."""
    args.item_count = args.item_count[-1]
    logging.disable(logging.INFO)
    runtime.prepare(use_gpu=False, seed=Runner.seed)
    with ranks.joined(use_gpu=False), tempfile.TemporaryDirectory() as folder:
        trainer = open_trainer(write_data(Path(folder), args), "mind", "dynamic")
        if args.dense:
            trainer.model.item_table._sparse = False
            run_steps(trainer, 2)
        ranks.wait_for_all()
        before = sent("lo")
        run_steps(trainer, args.steps)
        ranks.wait_for_all()
        bytes_per_step = (sent("lo") - before) / args.steps / ranks.count()
    if ranks.rank() == 0:
        row = {
            **vars(args), "processes": ranks.count(), "bytes_per_step": round(bytes_per_step), "seed": Runner.seed,
            "paddle": paddle.__version__, "date": date.today().isoformat(),
        }  # fmt: skip
        print(json.dumps(row), flush=True)


def sent(interface) -> int:
    """Bytes that an interface has sent."""
    for line in Path("/proc/net/dev").read_text(encoding="ascii").splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == interface:
            return int(numbers.split()[8])
    raise UserError(f"/proc/net/dev has no interface {interface}")


if __name__ == "__main__":
    main()
