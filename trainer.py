"""Train a multi-interest model.

Example: python trainer.py -m config.yaml
Example: python trainer.py -m config.yaml -o runner.epochs=3 hyper_parameters.model=comirec_sa
Example: python trainer.py -m config.yaml -o runner.resume=auto

Writes a checkpoint after each epoch to <model_save_path>/<epoch>/, and the best step on valid to best/ beside them.
runner.resume=auto continues an interrupted run. To train with several processes (docs/distributed.md):
python -m paddle.distributed.launch --nproc_per_node 2 trainer.py -m config.yaml
"""

import argparse
import contextlib
import logging
import shlex
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from models import MODELS
from tools.common import progress, ranks
from tools.common.errors import UserError, command
from tools.config.arguments import add_arguments
from tools.config.load import Config
from tools.data import identity, popularity
from tools.evaluation.evaluate import evaluate
from tools.evaluation.targets import count_targets, tell
from tools.training import agreement, check_finite, checkpoint, memory, read_ahead, resume, runs, runtime
from tools.training.average_gradients import average
from tools.training.history import History
from tools.training.interrupt import Interrupt, Interrupted
from tools.training.settings import load_settings
from tools.training.splits import open_split
from tools.training.static import GRAPHS


class Trainer:
    """One training run: steps, evaluations, checkpoints.

    Args:
        settings: the configuration.
    """

    def __init__(self, settings: Config):
        memory.check(settings, training=True)
        self.config, self.runner = settings, settings.runner
        self.lock = resume.hold(self.runner.model_save_path)
        self.release = self.lock.close if self.lock else lambda: None  # the first process alone holds it
        try:
            self.open()
        except BaseException:
            self.release()
            raise

    def open(self):
        """Find what is there, read the data, build the model; nothing is written or removed before all fits."""
        before = identity.read_identity(agreement.runner_splits(self.config))
        found = resume.find(self.config)
        self.train_data = open_split("train", self.config)
        self.valid_data = open_split("valid", self.config) if self.runner.valid_data_dir else None
        self.origin = resume.data_identity(self.config, self.train_data, before)
        self.graph = GRAPHS[self.runner.graph]()
        self.model = self.graph.create_model(self.config)
        batches = self.train_data.batches
        self.optimizer = self.graph.create_optimizer(self.model, self.config, self.runner.epochs * batches)
        self.state = resume.start(found, self.config, self.model, self.optimizer, batches, self.origin)
        old = [] if found or self.runner.resume == "auto" else runs.found(self.runner.model_save_path)
        self.history = History(self.config, state=self.state)
        self.interrupt = Interrupt()
        self.check_ranks("settings, data or checkpoints")
        if self.valid_data is not None:
            counts = count_targets(self.valid_data, filter_seen=self.runner.filter_seen)
            tell("valid", counts, self.runner.top_n, self.model.item_count - 1)
        runs.remove(old)

    def train(self):
        """Fit the model, by its own `fit` or by gradient, and keep the best."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.release)
            stack.enter_context(self.history)
            self.model.count_items(*popularity.of_training(self.train_data, self.runner.train_data_dir))
            if hasattr(self.model, "fit"):
                ranks.refuse(f"{self.config.hyper_parameters.model} is fitted at once")
                self.fit_at_once()
            else:
                with self.interrupt:
                    self.fit()
        if self.valid_data is None:
            logging.info("no valid split: nothing was chosen, best/ holds the last step")
        else:
            logging.info("best on valid, %s", progress.metric_line({self.runner.best_metric: self.state.best}))

    def fit_at_once(self):
        """A model that brings its own `fit`: one epoch, and no step in it."""
        self.model.watch = progress.watched
        try:
            with progress.stage(f"fit {self.config.hyper_parameters.model}", quick=0) as counted:
                self.model.fit(self.train_data.items)
                counted["interactions"] = len(self.train_data.items.values)
        except (ImportError, ArithmeticError) as error:  # no library, or no solution
            raise UserError(error) from None
        self.state.epoch = 1
        self.save_here()
        self.evaluate()

    def fit(self):
        """All epochs, or fewer where early stopping ends the run."""
        try:
            self.evaluate_if_due()  # a resumed run may have ended in an evaluation
            while self.state.epoch < self.runner.epochs and not self.stops_early():
                self.train_epoch()
                if not self.state.batch:  # a numbered folder holds a whole epoch
                    self.save_here()
                self.evaluate_if_due()
        except (Interrupted, ranks.LostRankError):
            self.save_here()
            raise
        if self.stops_early():
            logging.info("no better %s in %d evaluations: stopped", self.runner.best_metric, self.state.unimproved)

    def train_epoch(self):
        """What is left of an epoch, to its end or until early stopping."""
        state, runner, started = self.state, self.runner, time.perf_counter()
        epoch, batches = state.epoch, self.train_data.batches
        self.train_data.set_epoch(epoch, state.batch)
        loader = read_ahead.batches(self.train_data, runner.num_workers)
        bar = progress.progress(loader, total=batches - state.batch, name=f"epoch {epoch}")
        log = progress.TrainingLog(runner.print_interval, runner.train_batch_size * ranks.count())
        self.model.train()
        for batch in self.interrupt.watch(bar):
            log.read()
            loss = self.train_step(batch)
            if log.trained(epoch, state.batch, loss):
                self.history.add(state.step, epoch, "train", {"loss": loss, "learning_rate": self.optimizer.get_lr()})
            carry, state.batch = divmod(state.batch + 1, batches)
            state.epoch += carry
            if runner.eval_interval and state.step % runner.eval_interval == 0:
                self.evaluate()
                log.restart()
                if self.stops_early():
                    return
            if runner.save_interval and state.step % runner.save_interval == 0 and state.batch:
                self.save_here()
        logging.info("epoch: %d done, epoch time: %.2f s", epoch, time.perf_counter() - started)

    def train_step(self, batch) -> float:
        """Forward, backward, update; the loss before the update."""
        runtime.seed_step(self.runner.seed, self.state.step, ranks.rank())
        loss = self.graph.train_forward(self.model, batch)
        loss.backward()
        loss = average(self.model, loss, *batch[1:3])
        if fault := check_finite.fault(loss, self.model):
            self.give_up(fault, batch)
        self.optimizer.step()
        self.optimizer.clear_grad(set_to_zero=False)
        if self.config.hyper_parameters.optimizer.decay != "none":
            self.optimizer._learning_rate.step()
        self.state.step += 1
        return loss

    def give_up(self, fault, batch):
        """End on a step without a number, with what reproduces it in `failed/`: the parameters before it, the batch."""
        state, folder = self.state, self.save(runs.FAILED)
        np.savez(folder / ranks.own_name("batch.npz"), *map(np.asarray, batch))
        raise UserError(
            f"{fault} at epoch {state.epoch}, batch {state.batch}, step {state.step}, learning rate "
            f"{self.optimizer.get_lr()}; lower the optimizer's learning_rate; parameters and batch are in {folder}"
        )

    def evaluate_if_due(self):
        """Evaluate where no evaluation has followed the last step yet and one belongs there."""
        state, interval = self.state, self.runner.eval_interval
        ended = not state.batch and (not interval or state.epoch == self.runner.epochs)
        if state.evaluated < state.step and (ended or (interval and state.step % interval == 0)):
            self.evaluate()

    def evaluate(self) -> dict[str, float]:
        """Measure on valid, keep the best; without a valid split keep the last. Gives what was measured."""
        self.check_ranks("parameters")
        if self.valid_data is None:
            self.state.evaluated = self.state.step
            self.save(checkpoint.BEST)
            return {}
        state, batches = self.state, self.interrupt.watch(self.valid_data)
        embed = partial(self.graph.infer_forward, self.model)
        empty = self.graph.create_metrics(self.config)
        metrics = evaluate(batches, embed, self.graph.create_retriever(self.model), self.config, empty)
        epoch = state.epoch - (not state.batch)  # of the last batch
        logging.info("epoch: %d, step: %d, valid %s", epoch, state.step, progress.metric_line(metrics))
        self.history.add(state.step, epoch, "valid", metrics)
        self.model.train()
        state.evaluated, value = state.step, metrics[self.runner.best_metric]
        if state.best is None or value > state.best:
            state.best, state.unimproved = value, 0
            self.save(checkpoint.BEST, valid=metrics)
        else:
            state.unimproved += 1
        return metrics

    def check_ranks(self, what):
        """See that all processes stand at the same place with the same parameters."""
        paths = ("_dir", "_path")  # may differ from node to node
        steering = {key: value for key, value in self.config.flat().items() if not key.endswith(paths)}
        ranks.check_same(what, f"{steering} {self.state}", self.model)

    def stops_early(self) -> bool:
        """Whether early stopping ends the run."""
        return 0 < self.runner.early_stop <= self.state.unimproved

    def save_here(self):
        """Write a checkpoint named by the epoch where that is whole, else by the step; none before the first step."""
        if self.state.epoch == self.state.batch == 0:
            return
        state = self.state
        self.save(runs.name(state.step, state.epoch, state.batch))
        resume.prune(self.runner.model_save_path, self.runner.keep_checkpoints, state.step)

    def save(self, name, **more) -> Path:
        """Write a checkpoint, with more to say in its `state.json`; gives its folder."""
        folder = Path(self.runner.model_save_path) / name
        checkpoint.save(folder, self.model, self.optimizer, self.config, asdict(self.state) | more, self.origin)
        ranks.wait_for_first()
        return folder


@command
def main(argv=None):
    """Read the configuration and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    args = parser.parse_args(argv)
    settings = load_settings(args.config_yaml, args.opt, MODELS)
    runtime.prepare(settings.runner.use_gpu, settings.runner.seed)
    with ranks.joined(settings.runner.use_gpu), progress.logging_to_terminal(ranks.log_level()):
        try:
            Trainer(settings).train()
        except Interrupted as stopped:
            options = [*(sys.argv[1:] if argv is None else argv), "-o", "runner.resume=auto"]
            command_line = shlex.join([*ranks.command(__file__), *options])
            logging.info("%s: the run is saved; continue with: %s", stopped, command_line)
            sys.exit(stopped.exit_code)


if __name__ == "__main__":
    main()
