"""Every configuration key as a page: `docs/configuration.md`, made of `tools.schema` and the models' constructors.

Example: python -m tools.reference > docs/configuration.md
"""

import argparse
import math
import types
import typing

import yaml

from models import MODELS
from tools.agreement import MUST_AGREE
from tools.config import keys, useless_keys
from tools.errors import command

COMMAND = "python -m tools.reference > docs/configuration.md"
INTRODUCTION = f"""\
# Configuration

Every key of the yaml, made by `{COMMAND}` from `tools/schema.py`; a test keeps both in step.

- A key that is left out has its default. An unknown key, a value of another type or out of range and a key that means
  nothing to the model are refused, all at once, with file and line.
- `-o key=value …` overrides any key in every command: `-o runner.epochs=3 hyper_parameters.model=comirec_sa`.
- Lists are written `[20, 50]`, nothing `null`, infinity `.inf`.
- Each checkpoint carries its whole configuration. Keys with † must be at inference and export what they were in
  training; the others may change.
- "gradient": the models that are trained by gradient, {{gradient}}. The others fit at once: batches, epochs and what
  happens between them mean nothing to them.
"""
HEADINGS = {
    "runner": "where the data is, how a run goes, where results are written",
    "hyper_parameters.optimizer": "read by models that are trained by gradient",
    "hyper_parameters": "the model and how it is trained",
}
WORDS = {"bool": "true or false", "int": "whole number", "float": "number", "str": "text"}


def page() -> str:
    """The page."""
    useless = {name: useless_keys(name, MODELS) for name in MODELS}
    gradient = [name for name, model in MODELS.items() if hasattr(model, "loss")]
    parts = [INTRODUCTION.format(gradient=code(gradient))]
    for section, meaning in HEADINGS.items():
        parts.append(f"\n## `{section}`\n\n{meaning[0].upper()}{meaning[1:]}.\n\n")
        parts.append("| key | type and values | default | models | meaning |\n| --- | --- | --- | --- | --- |\n")
        for key, entry in keys().items():
            if key.rpartition(".")[0] == section:
                mark = " †" if key in MUST_AGREE else ""
                users = [name for name in MODELS if key not in useless[name]]
                name = key.rpartition(".")[2]
                row = (
                    f"`{name}`{mark}",
                    values(entry),
                    f"`{written(entry)}`",
                    who(users, gradient),
                    entry.metadata["comment"],
                )
                parts.append(f"| {' | '.join(row)} |\n")
    return "".join(parts)


def code(words) -> str:
    """Words as code, with commas between."""
    return ", ".join(f"`{word}`" for word in words)


def values(entry) -> str:
    """The type of a key, and the values that it may take."""
    kind, rule, told = entry.type, entry.metadata, ""
    if isinstance(kind, types.UnionType):
        kind, told = typing.get_args(kind)[0], " or `null`"
    several = typing.get_origin(kind) is list
    kind = typing.get_args(kind)[0] if several else kind
    text = code(rule["choices"].split()) if rule["choices"] else WORDS[kind.__name__]
    if rule["high"] < math.inf:
        text += f" from {rule['low']} to {rule['high']}"
    elif rule["low"] > -math.inf:
        text += f", {rule['low']} or more"
    return (f"list: {text}" if several else text) + told


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
        prog="python -m tools.reference", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args(argv)
    print(page(), end="")


if __name__ == "__main__":
    main()
