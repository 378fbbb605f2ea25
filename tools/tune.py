"""Search for hyper-parameters, chosen on valid by runner.best_metric alone; needs the extra tune.

Example: python -m tools.tune -m config.yaml --space space.yaml --trials 50
Example: python -m tools.tune -m config.yaml --space space.yaml --trials 20 --sampler random --output output/search

SPACE is a yaml: hyper_parameters.temperature: {low: 0.05, high: 1, log: true} or runner.train_batch_size: [128, 256].
A trial is stopped early if its best evaluation is below the median of the other trials at the same point. The test
split is never read. To continue a killed search, give the same command again; to extend a finished one, give more
--trials. The folder gets trials.jsonl, a row for each trial, and best.yaml, the configuration of the best trial:
python trainer.py -m FOLDER/best.yaml
"""

import argparse
import json
import logging
import math
import shutil
import sys
import time
from datetime import date
from pathlib import Path

import paddle

from models import MODELS
from tools.common import progress
from tools.common.errors import UserError, command
from tools.common.replacing import writing
from tools.config.arguments import add_arguments, positive
from tools.config.space import read_space
from tools.data import identity
from tools.data.dataset import read_meta
from tools.training import agreement, runtime, tuning
from tools.training.checkpoint import BEST, read_state
from tools.training.interrupt import Interrupted
from tools.training.settings import load_settings
from trainer import Trainer

RUN = "run"  # folder of the trial that runs


class PrunedError(Exception):
    """A trial that is given up."""


class Trial(Trainer):
    """A run that tells how good its best step is, after each evaluation.

    Args:
        settings: the configuration.
        report: what is told, which may raise.
    """

    def __init__(self, settings, report):
        self.report = report
        super().__init__(settings)

    def evaluate(self):
        """As `Trainer.evaluate`."""
        metrics = super().evaluate()
        self.report(self.state.step, self.state.best)
        return metrics


@command
def main(argv=None):
    """Run what is missing of so many trials, print all, best first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--space", type=Path, required=True, metavar="FILE", help="keys with their ranges or values")
    parser.add_argument("--trials", type=positive, default=50, metavar="N", help="number of trials in all; default: 50")
    parser.add_argument("--sampler", choices=("tpe", "random"), default="tpe", help="default: tpe")
    parser.add_argument("--seed", type=positive, default=1, help="of the search; runner.seed is that of the training")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: <model_save_path>-tuning")
    args = parser.parse_args(argv)
    base, space = load_settings(args.config_yaml, args.opt, MODELS), read_space(args.space)
    if not base.runner.valid_data_dir:
        raise UserError("runner.valid_data_dir is empty, and valid is what chooses; give a valid split")
    optuna = tuning.open_optuna()
    aside = ("_dir", ".model_save_path", ".resume", ".overwrite")
    data = identity.read_identity(agreement.runner_splits(base))
    told = {
        "data set": [data.item_map, data.files, read_meta(base.runner.train_data_dir).get("identity")],
        "configuration": {key: value for key, value in base.flat().items() if not key.endswith(aside)},
        "space": space, "sampler": args.sampler, "seed": args.seed,
    }  # fmt: skip
    output = args.output or Path(f"{base.runner.model_save_path}-tuning")
    with progress.logging_to_terminal(logging.WARNING), writing(output):
        campaign = tuning.Campaign(output, told)
        while len(campaign.rows) < args.trials:
            trial, params = tuning.ask(optuna, campaign, space, args.sampler, args.seed)
            try:
                run(campaign, trial, params, args)
            except Interrupted as stopped:
                print(f"{stopped}: the trial is saved; the same command goes on")
                sys.exit(stopped.exit_code)
        show(campaign, base.runner.best_metric, args)


def run(campaign, trial, params, args):
    """Train with the values of a trial, to its end or until it is given up; add its row."""
    number, started, folder = len(campaign.rows), time.perf_counter(), campaign.folder / RUN
    row = {"trial": number, "params": params, "state": "complete", "value": None, "reported": []}
    if before := campaign.same(params):
        row = {**before, "trial": number, "same_as": before["trial"], "seconds": 0}
    else:
        if campaign.pending is None:
            shutil.rmtree(folder, ignore_errors=True)
        reported = campaign.begin(params)

        def report(step, value):
            reported[:] = [*(one for one in reported if one[0] < step), [step, value]]  # a resumed run may do one again
            campaign.report(reported)
            trial.report(value, len(reported) - 1)
            if trial.should_prune():
                raise PrunedError

        try:
            train(settings_of(params, args, folder, "runner.resume=auto", "runner.keep_checkpoints=1"), report)
        except PrunedError:
            row["state"] = "pruned"
        except UserError as error:
            row |= {"state": "failed", "error": str(error)}
        saved = read_state(folder / BEST)
        row |= {"reported": reported, "seconds": round(time.perf_counter() - started)}
        row |= {"valid": saved.get("valid", {}), "best_step": saved.get("step")}
        row["value"] = max((value for _, value in reported), default=None)
        if row["state"] == "complete" and (row["value"] is None or not math.isfinite(row["value"])):
            row |= {"state": "failed", "error": "no figure on valid"}
        row["value"] = None if row["state"] == "failed" else row["value"]
    campaign.end(row | {"date": date.today().isoformat(), "versions": {"paddle": paddle.__version__}})
    shutil.rmtree(folder, ignore_errors=True)
    print(line(row), flush=True)


def train(settings, report):
    """One training run."""
    runtime.prepare(settings.runner.use_gpu, settings.runner.seed)
    Trial(settings, report).train()


def settings_of(params, args, folder, *more):
    """The configuration of a trial in a folder; a `UserError` where its values don't go together."""
    chosen = [f"{key}={tuning.as_text(value)}" for key, value in params.items()]
    own = f"runner.model_save_path={json.dumps(str(folder))}"
    return load_settings(args.config_yaml, [*(args.opt or ()), *chosen, own, *more], MODELS)


def line(row) -> str:
    """A trial in words."""
    values = " ".join(f"{key.rpartition('.')[2]}={tuning.as_text(value)}" for key, value in row["params"].items())
    end = row.get("error", "").partition("\n")[0] or f"{progress.metric_text('', row['value'])}, {row['state']}"
    return f"trial {row['trial']}: {end}, {row['seconds']} s  {values}"


def show(campaign, name, args):
    """Print the trials, the best first, and write its configuration."""
    best = campaign.best()
    if best is None:
        raise UserError(f"no trial ran to its end; the last: {line(campaign.rows[-1])}")
    print(f"\n{name} on valid, best first")
    for row in sorted(campaign.rows, key=lambda one: (one["state"] != "complete", -(one["value"] or 0))):
        print(line(row))
    path = campaign.folder / tuning.BEST
    model = Path(load_settings(args.config_yaml, args.opt, MODELS).runner.model_save_path)
    settings_of(best["params"], args, model.with_name(f"{model.name}-tuned")).save(path)
    print(f"\nthe best trial's configuration is {path}; train with: python trainer.py -m {path}")


if __name__ == "__main__":
    main()
