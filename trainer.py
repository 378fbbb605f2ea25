"""Train a multi-interest model.

Example: python trainer.py -m config.yaml
Example: python trainer.py -m config.yaml -o runner.epochs=3 hyper_parameters.model=comirec_sa

Writes a checkpoint after each epoch to <model_save_path>/<epoch>/, and the best step on valid to best/ beside them.
"""

import argparse
import logging
import math
import time
from functools import partial

from paddle.io import DataLoader

from models import MODELS
from tools import agreement, checkpoint, config, progress, runtime
from tools.dataset import open_split
from tools.errors import UserError, command
from tools.evaluate import evaluate
from tools.static import GRAPHS


class Trainer:
    """One training run: steps, evaluations, checkpoints.

    Args:
        settings: the configuration.
    """

    def __init__(self, settings: config.Config):
        self.config, self.runner = settings, settings.runner
        self.train_data = open_split("train", settings)
        self.valid_data = open_split("valid", settings)
        self.graph = GRAPHS[self.runner.graph]()
        self.model = self.graph.create_model(settings)
        total_steps = self.runner.epochs * self.train_data.batches
        self.optimizer = self.graph.create_optimizer(self.model, settings, total_steps)
        if self.runner.model_init_path:
            checkpoint.load(self.runner.model_init_path, self.model, settings, self.optimizer)
        self.step = self.evaluated = 0  # steps done, and done at the last evaluation
        self.best = -math.inf  # best_metric of the best step
        self.unimproved = 0  # evaluations since then

    def train(self):
        """Fit the model, by its own `fit` or by gradient, and keep the best."""
        if hasattr(self.model, "fit"):
            try:
                self.model.fit(self.train_data.items)
            except (ImportError, ArithmeticError) as error:  # no library, or no solution
                raise UserError(error) from None
            self.save(0, 0)
            self.evaluate(0)
        else:
            self.fit()
        logging.info("best %s on valid: %.5f", self.runner.best_metric, self.best)

    def fit(self):
        """All epochs, or fewer where early stopping ends the run."""
        self.model.count_items(self.train_data.item_counts())
        for epoch in range(self.runner.epochs):
            started = time.perf_counter()
            stopped = self.train_epoch(epoch)
            logging.info("epoch: %d done, epoch time: %.2f s", epoch, time.perf_counter() - started)
            if not stopped:  # a numbered folder holds a whole epoch
                self.save(epoch, epoch)
            last = epoch == self.runner.epochs - 1
            if not stopped and self.evaluated < self.step and (last or not self.runner.eval_interval):
                stopped = self.evaluate(epoch)
            if stopped:
                logging.info("no better %s in %d evaluations: stopped", self.runner.best_metric, self.unimproved)
                break

    def train_epoch(self, epoch) -> bool:
        """One pass; whether early stopping ended it."""
        self.train_data.set_epoch(epoch)
        loader = DataLoader(self.train_data, batch_size=None, num_workers=self.runner.num_workers)
        log = progress.TrainingLog(self.runner.print_interval, self.runner.train_batch_size)
        self.model.train()
        for batch_id, batch in enumerate(
            progress.progress(loader, total=self.train_data.batches, name=f"epoch {epoch}")
        ):
            log.read()
            loss = self.train_step(batch)
            if not math.isfinite(loss):
                raise UserError(
                    f"loss is {loss} at epoch {epoch}, batch {batch_id}; lower the optimizer's learning_rate"
                )
            log.trained(epoch, batch_id, loss)
            if self.runner.eval_interval and self.step % self.runner.eval_interval == 0:
                if self.evaluate(epoch):
                    return True
                self.model.train()
                log.restart()
        return False

    def train_step(self, batch) -> float:
        """Forward, backward, update; the loss before the update."""
        loss = self.graph.train_forward(self.model, batch)
        loss.backward()
        self.optimizer.step()
        self.optimizer.clear_grad()
        if self.config.hyper_parameters.optimizer.decay != "none":
            self.optimizer._learning_rate.step()
        self.step += 1
        return float(loss)

    def evaluate(self, epoch) -> bool:
        """Measure on valid, keep the best; whether to stop early."""
        embed = partial(self.graph.infer_forward, self.model)
        empty = self.graph.create_metrics(self.config)
        metrics = evaluate(self.valid_data, embed, self.graph.create_retriever(self.model), self.config, empty)
        logging.info("epoch: %d, step: %d, valid %s", epoch, self.step, progress.metric_line(metrics))
        self.evaluated, value = self.step, metrics[self.runner.best_metric]
        self.unimproved = 0 if value > self.best else self.unimproved + 1
        if value > self.best:
            self.best = value
            self.save(checkpoint.BEST, epoch, metrics)
        return 0 < self.runner.early_stop <= self.unimproved

    def save(self, name, epoch, metrics=None):
        """Write a checkpoint."""
        folder = f"{self.runner.model_save_path}/{name}"
        state = {"epoch": epoch, "step": self.step, "valid": metrics}
        checkpoint.save(folder, self.model, self.optimizer, self.config, state)


@command
def main(argv=None):
    """Read the configuration and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    config.add_arguments(parser)
    args = parser.parse_args(argv)
    settings = config.load_config(args.config_yaml, args.opt, MODELS)
    if settings.runner.model_init_path:
        agreement.check_checkpoint(settings.runner.model_init_path, settings)
    runtime.prepare(settings.runner.use_gpu, settings.runner.seed)
    with progress.logging_to_terminal():
        Trainer(settings).train()


if __name__ == "__main__":
    main()
