"""A search over configurations: what it tries, and the folder that remembers it."""

import json
import math
from pathlib import Path
from typing import Any

from tools.common.errors import UserError
from tools.common.files import atomic_file, read_text
from tools.config.space import Choices
from tools.data.split_text import parse_json

TRIALS, PENDING, STUDY, BEST = "trials.jsonl", "pending.json", "study.json", "best.yaml"
STARTUP = 10  # trials at random before TPE has its say
WARMUP = 1  # evaluations before a trial may be given up


def open_optuna():
    """Optuna, without its own log; a `UserError` without the extra."""
    try:
        import optuna
    except ImportError:
        raise UserError("tuning needs an extra; install it with: pip install '.[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


class Campaign:
    """The trials of a search, in a folder of its own; each is a row of trials.jsonl, and one that runs is pending.json.

    Args:
        folder: the folder.
        told: what the search is of, which must be what it was of before.

    Raises:
        UserError: where the folder holds another search.
    """

    def __init__(self, folder, told: dict):
        self.folder, self.told = Path(folder), json.loads(json.dumps(told))
        before = _read(self.folder / STUDY)
        if before is None and self.folder.is_dir() and any(self.folder.iterdir()):
            raise UserError(f"{folder}: contains something other than a search; choose another --output")
        for key, value in self.told.items():
            if before is not None and before.get(key) != value:
                raise UserError(f"{folder}: holds a search with another {key}; choose another --output, or remove it")
        self.rows = [parse_json(line) for line in self._lines()]
        self.pending = _read(self.folder / PENDING)

    def _lines(self):
        """Whole lines: one that a kill cut short is run again."""
        path = self.folder / TRIALS
        return read_text(path).split("\n")[:-1] if path.is_file() else []

    def begin(self, params) -> list:
        """Note a trial before it runs, for after a kill; gives its evaluations `[step, value]` so far."""
        if self.pending is None:
            _write(self.folder / STUDY, self.told)
            self.pending = {"params": params, "reported": []}
            _write(self.folder / PENDING, self.pending)
        return self.pending["reported"]

    def report(self, reported):
        """Note the evaluations of the trial that runs."""
        assert self.pending is not None
        self.pending["reported"] = reported
        _write(self.folder / PENDING, self.pending)

    def end(self, row):
        """Add a trial's row."""
        self.rows.append(row)
        with atomic_file(self.folder / TRIALS) as file:
            file.write("".join(json.dumps(one) + "\n" for one in self.rows))
        (self.folder / PENDING).unlink(missing_ok=True)
        self.pending = None

    def same(self, params) -> dict | None:
        """An earlier trial of the same values: training is the same each time, so it need not run again."""
        return next((one for one in self.rows if one["params"] == params), None)

    def best(self) -> dict | None:
        """The row with the largest value among those that ran to their end."""
        whole = [one for one in self.rows if one["state"] == "complete"]
        return max(whole, key=lambda one: one["value"], default=None)


def _read(path) -> dict | None:
    return parse_json(read_text(path)) if path.is_file() else None


def _write(path, content):
    with atomic_file(path) as file:
        json.dump(content, file)


def ask(optuna, campaign: Campaign, space, sampler, seed) -> tuple[Any, dict]:
    """The next trial as Optuna has it, and its values; the same after a kill as without one.

    Args:
        optuna: the module.
        campaign: what was tried.
        space: of `read_space`.
        sampler: `tpe` or `random`.
        seed: of the search.
    """
    number = len(campaign.rows)
    samplers = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
    options = {"tpe": {"n_startup_trials": STARTUP}, "random": {}}[sampler]
    pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP // 2, n_warmup_steps=WARMUP)
    study = optuna.create_study(
        direction="maximize", sampler=samplers[sampler](seed=seed + number, **options), pruner=pruner
    )
    distributions = {key: _distribution(optuna, one) for key, one in space.items()}
    states = optuna.trial.TrialState
    for row in campaign.rows:
        study.add_trial(optuna.trial.create_trial(
            params={key: _told(space[key], value) for key, value in row["params"].items()},
            distributions=distributions, value=row["value"],
            intermediate_values=dict(enumerate(value for _, value in row["reported"])),
            state={"complete": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}[row["state"]],
        ))  # fmt: skip
    if campaign.pending:
        study.enqueue_trial({key: _told(space[key], value) for key, value in campaign.pending["params"].items()})
    trial = study.ask(distributions)
    for place, (_, value) in enumerate(campaign.pending["reported"] if campaign.pending else ()):
        trial.report(value, place)
    params = {key: json.loads(v) if isinstance(space[key], Choices) else v for key, v in trial.params.items()}
    return trial, params


def _distribution(optuna, one):
    if isinstance(one, Choices):  # as texts: Optuna knows no lists
        return optuna.distributions.CategoricalDistribution([json.dumps(value) for value in one.values])
    kind = optuna.distributions.IntDistribution if one.whole else optuna.distributions.FloatDistribution
    return kind(one.low, one.high, log=one.log)


def _told(one, value):
    return json.dumps(value) if isinstance(one, Choices) else value


def as_text(value) -> str:
    """A value as yaml reads it in `key=value`."""
    return ".inf" if value == math.inf else json.dumps(value)


def rank(metrics, name) -> float:
    """What rows are sorted by: the best first, one that is no number last."""
    return -metrics[name] if math.isfinite(metrics[name]) else math.inf


def shown(metrics, name) -> list[str]:
    """The metric that ranks, and the others of its N and of what collapse shows in."""
    cut = name.partition("@")[2]
    others = (f"recall@{cut}", f"hitrate@{cut}", f"ndcg@{cut}", "interest_similarity")
    return [name, *(one for one in others if one in metrics and one != name)]
