"""Print the page of all configuration keys, docs/configuration.md, from the schema and the models' constructors.

Example: python -m tools.config_reference > docs/configuration.md
"""

import argparse
import math
import types
import typing

import yaml

from models import MODELS
from tools.common.errors import command
from tools.config.load import keys, useless_keys
from tools.training.agreement import MUST_AGREE

COMMAND = "python -m tools.config_reference > docs/configuration.md"
INTRODUCTION = f"""\
# Configuration

Every key of the yaml, made by `{COMMAND}` from `tools/config/schema.py`; a test keeps both in step.

- A key that is left out has its default. Unknown keys, values of another type or out of range, and keys that do not
  apply to the model are refused, all at once, with file and line.
- `-o key=value …` overrides any key in every command: `-o runner.epochs=3 hyper_parameters.model=comirec_sa`.
- A list is written `[20, 50]`, no value `null`, infinity `.inf`.
- Each checkpoint has its complete configuration. Keys with † must have the same value in training, inference and
  export; the others may change.
- "gradient" means the models that are trained by gradient: {{gradient}}. The others have a `fit` of their own, without
  batches and epochs.
"""
SECTIONS = {
    "runner": "Where the data is, how a run proceeds, where results are written.",
    "hyper_parameters.optimizer": "How a gradient model learns.",
    "hyper_parameters": "The model and how it is trained.",
}
HEADER = "| key | type and values | default | models | meaning |\n| --- | --- | --- | --- | --- |\n"
WORDS = {"bool": "true or false", "int": "whole number", "float": "number", "str": "text"}


def page() -> str:
    """The page."""
    useless = {name: useless_keys(name, MODELS) for name in MODELS}
    gradient = [name for name, model in MODELS.items() if hasattr(model, "loss")]
    parts = [INTRODUCTION.format(gradient=code(gradient))]
    for section, meaning in SECTIONS.items():
        parts.append(f"\n## `{section}`\n\n{meaning}\n\n{HEADER}")
        for key, entry in keys().items():
            owner, _, name = key.rpartition(".")
            if owner == section:
                mark = " †" if key in MUST_AGREE else ""
                models = who([one for one in MODELS if key not in useless[one]], gradient)
                cells = f"`{name}`{mark}", values(entry), f"`{written(entry)}`", models, entry.metadata["comment"]
                parts.append(f"| {' | '.join(cells)} |\n")
    return "".join(parts)


def code(words) -> str:
    """Words as code, with commas between."""
    return ", ".join(f"`{word}`" for word in words)


def values(entry) -> str:
    """The type of a key, and the values that it may take."""
    kind, rule, none = entry.type, entry.metadata, ""
    if isinstance(kind, types.UnionType):
        kind, none = typing.get_args(kind)[0], ", or `null`"
    several = typing.get_origin(kind) is list
    kind = typing.get_args(kind)[0] if several else kind
    text = code(rule["choices"].split()) if rule["choices"] else WORDS[kind.__name__]
    if rule["high"] < math.inf:
        text += f" from {rule['low']} to {rule['high']}"
    elif rule["low"] > -math.inf:
        text += f" of at least {rule['low']}"
    return (f"list: {text}" if several else text) + none


def written(entry) -> str:
    """A key's default as yaml."""
    default = entry.default_factory() if callable(entry.default_factory) else entry.default
    return yaml.safe_dump(default, default_flow_style=True, width=math.inf).splitlines()[0]


def who(users, gradient) -> str:
    """The models that a key applies to."""
    if users == list(MODELS):
        return "all"
    if users == gradient:
        return "gradient"
    others = [name for name in MODELS if name not in users]
    return code(users) if len(users) <= len(others) else f"all but {code(others)}"


@command
def main(argv=None):
    """Print the page."""
    argparse.ArgumentParser(
        prog="python -m tools.config_reference",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(argv)
    print(page(), end="")


if __name__ == "__main__":
    main()
