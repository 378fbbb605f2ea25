"""Configuration: a yaml file and `-o key=value` overrides, checked against the schema, all errors at once."""

import dataclasses
import inspect
import typing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tools.common.errors import UserError, did_you_mean
from tools.common.files import shown
from tools.config.overrides import read_overrides, read_yaml
from tools.config.paddlerec import nearest_key, translate
from tools.config.schema import HyperParameters, Runner
from tools.config.values import convert

# How the keys begin that a model with a `fit` of its own does without.
GRADIENT_ONLY = (
    "runner.graph",
    "hyper_parameters.optimizer.",
    "hyper_parameters.targets",
    "hyper_parameters.min_history",
    "hyper_parameters.train_sampling",
)
DATA_DIRS = ("runner.train_data_dir", "runner.valid_data_dir", "runner.test_data_dir")


class FeatureNames(NamedTuple):
    """What a model reads of a data set beside item ids."""

    train: Path  # the split that training reads; attributes of items and users are in the folder above it
    item: list[str]
    user: list[str]
    query: bool
    item_count: int  # rows of the item table; 0 where it is not known

    @property
    def folder(self) -> Path:
        """The data set that training reads."""
        return self.train.parent


@dataclass(frozen=True)
class Config:
    """A checked configuration: `config.runner.seed`, `config.hyper_parameters.optimizer.learning_rate`."""

    runner: Runner = field(default_factory=Runner)
    hyper_parameters: HyperParameters = field(default_factory=HyperParameters)

    def flat(self) -> dict[str, Any]:
        """Every key with its value, dotted as in the yaml."""
        return {key: _attribute(self, key) for key in keys()}

    @property
    def features(self) -> FeatureNames:
        """The features that the model reads."""
        hyper, train = self.hyper_parameters, Path(self.runner.train_data_dir)
        return FeatureNames(train, hyper.item_features, hyper.user_features, hyper.query, hyper.item_count or 0)

    def get(self, key, default=None):
        """Value of a dotted key, or the default: what a reader written for PaddleRec calls."""
        return self.flat().get(key, default)

    def save(self, path):
        """Write the resolved configuration as yaml."""
        nested: dict[str, Any] = {}
        for key, value in self.flat().items():
            *sections, name = key.split(".")
            branch = nested
            for section in sections:
                branch = branch.setdefault(section, {})
            branch[name] = value
        Path(path).write_text(yaml.safe_dump(nested, sort_keys=False), encoding="utf-8")


def load_config(path, overrides=(), models=None, checks=()) -> Config:
    """Read, override and check a configuration.

    Args:
        path: yaml file.
        overrides: `key=value` texts, which win over the file.
        models: `models.MODELS`; where given, the model's name and whether each option applies to it are checked too.
        checks: more of them, each `config -> [(keys, what is wrong with the first)]`, see `tools.training.settings`.

    Raises:
        UserError: one line for each unknown key, wrong type and impossible value, with file and line.
    """
    return check_config({**read_yaml(path), **read_overrides(overrides or ())}, Path(path), models, checks)


def check_config(given: dict[str, tuple], path: Path, models=None, checks=()) -> Config:
    """The configuration of given keys.

    Args:
        given: dotted key -> (value, where it stands).
        path: what data folders are relative to the folder of, and what is named for a key that is not given.
        models, checks: see `load_config`; errors too.
    """
    given = translate(given)
    schema, errors, values, failed = keys(), [], {}, set()
    sections = {key.rpartition(".")[0] for key in schema}
    for key, (value, where) in given.items():
        if key in sections and value in (None, {}):
            continue
        if key not in schema:
            errors.append(f"{where}: {key}: unknown key{nearest_key(key, schema)}")
            continue
        try:
            values[key] = convert(value, schema[key])
        except ValueError as error:
            errors.append(f"{where}: {key}: {error}")
            failed.add(key)
    for key in DATA_DIRS:
        if key == "runner.valid_data_dir" and values.get(key) == "":
            continue  # no valid split
        values[key] = str(path.parent.absolute() / values.get(key, schema[key].default))
    config = _build(Config, "", values)
    found = [_inconsistencies(config), *(check(config) for check in checks)]
    if models is not None:
        found.append(_model_errors(config, given, models))
    for involved, text in chain(*found):
        if not failed & set(involved):  # a value that failed above stands at its default here
            errors.append(f"{given.get(involved[0], (None, path))[1]}: {involved[0]}: {text}")
    if errors:
        raise UserError("\n       ".join(errors))
    return config


def keys(owner=Config, prefix="") -> dict[str, dataclasses.Field]:
    """Dotted key -> dataclass field, with the resolved type in its place."""
    fields, hints = {}, typing.get_type_hints(owner)
    for entry in dataclasses.fields(owner):
        name, kind = prefix + entry.name.rstrip("_"), hints[entry.name]
        if dataclasses.is_dataclass(kind):
            fields.update(keys(kind, name + "."))
        else:
            entry.type = kind
            fields[name] = entry
    return fields


def _build(owner, prefix, values):
    """The dataclass of `owner` with the given values, its defaults elsewhere."""
    arguments, hints = {}, typing.get_type_hints(owner)
    for entry in dataclasses.fields(owner):
        name = prefix + entry.name.rstrip("_")
        if dataclasses.is_dataclass(hints[entry.name]):
            arguments[entry.name] = _build(hints[entry.name], name + ".", values)
        elif name in values:
            arguments[entry.name] = values[name]
    return owner(**arguments)


def _attribute(config, key):
    for name in key.split("."):
        config = getattr(config, name if hasattr(config, name) else name + "_")  # `class` is Python's own word
    return config


def _inconsistencies(config):
    """(keys, what is wrong with the first) for values that are possible alone but not together."""
    runner, hyper = config.runner, config.hyper_parameters
    size, metric, rate = "hyper_parameters.hidden_size", "runner.best_metric", "hyper_parameters.optimizer.decay_rate"
    if hyper.hidden_size not in (None, hyper.embedding_dim):
        text = f"{hyper.hidden_size} differs from embedding_dim {hyper.embedding_dim}; remove it or make them equal"
        yield (size, "hyper_parameters.embedding_dim"), text
    name, _, cut = runner.best_metric.partition("@")
    if name not in ("recall", "hitrate", "ndcg") or cut not in map(str, runner.top_n):
        known = ", ".join(f"{one}@{n}" for one in ("recall", "hitrate", "ndcg") for n in runner.top_n)
        yield (metric, "runner.top_n"), f"{shown(runner.best_metric)!r} is not measured; choose one of {known}"
    if runner.early_stop and not runner.valid_data_dir:
        yield ("runner.early_stop", "runner.valid_data_dir"), f"{runner.early_stop} without a valid split; set it to 0"
    if hyper.optimizer.decay == "exponential" and hyper.optimizer.decay_rate == 0:
        yield (rate, "hyper_parameters.optimizer.decay"), "0 cannot be reached by exponential decay; write 0.01, say"
    if runner.init_by != "id" and not runner.model_init_path:
        yield (
            ("runner.init_by", "runner.model_init_path"),
            "goes with model_init_path; give a checkpoint",
        )
    if hyper.embedding_dim % (heads := hyper.transformer_heads):
        yield ("hyper_parameters.transformer_heads",), f"{heads} must divide embedding_dim {hyper.embedding_dim}"
    if hyper.loss == "gbce" and hyper.hard_negative_beta:
        text = f"{hyper.hard_negative_beta:g} has no effect with loss: gbce; remove it"
        yield ("hyper_parameters.hard_negative_beta", "hyper_parameters.loss"), text
    if runner.infer_end_epoch is not None and runner.infer_end_epoch <= (runner.infer_start_epoch or 0):
        text = f"{runner.infer_end_epoch} is not above infer_start_epoch; the end is exclusive"
        yield ("runner.infer_end_epoch", "runner.infer_start_epoch"), text


def _model_errors(config, given, models):
    """As `_inconsistencies`: an unknown model, options of another model."""
    hyper = config.hyper_parameters
    if hyper.model not in models:
        text = f"{shown(hyper.model)!r} is not one of {', '.join(models)}{did_you_mean(hyper.model, models)}"
        yield ("hyper_parameters.model",), text
        return
    useless = useless_keys(hyper.model, models)
    # A saved configuration states all keys, with the defaults of the version that wrote it; nobody means them.
    in_file = {key for key, (_, where) in given.items() if key in useless and not where.startswith("-o ")}
    saved = in_file if 2 * len(in_file) > len(useless) else set()
    for key in given:
        if key in useless - saved and _attribute(config, key) != _attribute(Config(), key):
            yield (key, "hyper_parameters.model"), f"does not apply to the model {hyper.model}; remove it"
    if hyper.encoder != "transformer" and "encoder" in constructor_options(models[hyper.model]):
        for one in ("transformer_blocks", "transformer_heads"):
            if getattr(hyper, one) != getattr(HyperParameters(), one):
                text = f"has no effect with encoder: {hyper.encoder}; remove it or set encoder=transformer"
                yield (f"hyper_parameters.{one}", "hyper_parameters.encoder"), text


def useless_keys(name, models) -> set[str]:
    """Dotted keys that mean nothing to the model of that name among `models.MODELS`."""
    own = constructor_options(models[name])
    others = set().union(*map(constructor_options, models.values())) - own
    useless = {f"hyper_parameters.{one}" for one in others}
    if "user_features" not in own:  # queries go where the users' features go
        useless.add("hyper_parameters.query")
    if hasattr(models[name], "fit"):
        useless.update(key for key in keys() if key.startswith(GRADIENT_ONLY))
    return useless


def constructor_options(model) -> set[str]:
    """Names of all keyword arguments that a model's constructor takes."""
    return set(inspect.signature(model).parameters)
