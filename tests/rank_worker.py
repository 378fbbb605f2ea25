"""The trainer as a process of a test: notes each step's loss and the parameters at the end, and ends early if told to.

With SAME_DRAWS all ranks draw the same negatives, and of the routing logits each takes its share of those that one
process would draw. With DIE_AT=rank:step that rank gets SIGKILL before the step, with TERM_AT SIGTERM after it.
SLOW_SAVE is how many seconds more the first rank takes to write `best/`, SLOW_LOOK how many the others take to see who
has come.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import paddle

import trainer
from models.layers.capsule import CapsuleNetwork
from tools.common import ranks
from tools.training import checkpoint, runtime

LOSSES: list[float] = []
original_step, original_seed = trainer.Trainer.train_step, runtime.seed_step
first_logits, save, add = CapsuleNetwork.first_logits, checkpoint.save, ranks._add


def share_of_logits(self, size, length):
    """While training, this rank's part of what `first_logits` would draw for all."""
    if not (self.gaussian and self.training):
        return first_logits(self, size, length)
    logits = paddle.randn([size * ranks.count(), self.interest_num, length]) * self.routing_logits_std
    return logits[size * ranks.rank() : size * (ranks.rank() + 1)]


def noting_step(self, batch):
    if os.environ.get("DIE_AT") == f"{ranks.rank()}:{self.state.step}":
        os.kill(os.getpid(), signal.SIGKILL)
    LOSSES.append(original_step(self, batch))
    if os.environ.get("TERM_AT") == f"{ranks.rank()}:{self.state.step}":
        os.kill(os.getpid(), signal.SIGTERM)
    run.update(losses=LOSSES, model=self.model)
    return LOSSES[-1]


def slow_save(folder, *args):
    if ranks.rank() == 0 and folder.name == checkpoint.BEST:
        time.sleep(float(os.environ["SLOW_SAVE"]))
    save(folder, *args)


def slow_add(key, number):
    if ranks.rank() and not number:
        time.sleep(float(os.environ["SLOW_LOOK"]))
    return add(key, number)


run: dict = {}


def main(arguments):
    trainer.Trainer.train_step = noting_step
    if os.environ.get("SLOW_SAVE"):
        checkpoint.save = slow_save
    if os.environ.get("SLOW_LOOK"):
        ranks._add = slow_add
    if os.environ.get("SAME_DRAWS"):
        runtime.seed_step = lambda seed, step, rank: original_seed(seed, step)
        CapsuleNetwork.first_logits = share_of_logits
    trainer.main(arguments)
    folder = Path(os.environ["NOTES"])
    (folder / f"losses-{ranks.rank()}.json").write_text(json.dumps(run["losses"]))
    arrays = {name: value.numpy() for name, value in run["model"].state_dict().items()}
    np.savez(folder / f"parameters-{ranks.rank()}.npz", **arrays)


if __name__ == "__main__":
    main(sys.argv[1:])
