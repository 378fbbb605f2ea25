"""How a constructor takes groups of options: each option a keyword of its own, named in signature and docstring."""

import dataclasses
import functools
import inspect
import textwrap
from typing import Any


def option(meaning: str, *, default: Any = dataclasses.MISSING, choices="") -> Any:
    """A field of a group of options: what it means, its default, and the values it may take where they are few."""
    return dataclasses.field(default=default, metadata={"meaning": meaning, "choices": choices.split()})


def flat_options(model):
    """Class decorator: groups of options in the constructor are given flat, each option as a keyword.

    A group is a parameter whose annotation is a dataclass. `def __init__(self, sizes: Sizes, *, shrink=0.0)` is called
    with `item_count=…, embedding_dim=…, maxlen=…, shrink=…`. `inspect.signature` and the docstring name all of them.
    """
    build = model.__init__
    own = list(inspect.signature(build).parameters.values())
    groups: dict[str, Any] = {one.name: one.annotation for one in own if dataclasses.is_dataclass(one.annotation)}
    signature = inspect.Signature([flat for one in own for flat in _flat(one)])

    @functools.wraps(build)
    def build_flat(self, **options):
        signature.bind(self, **options)  # a TypeError where one is missing or unknown
        whole = {}
        for name, group in groups.items():
            given = {field.name for field in dataclasses.fields(group)} & options.keys()
            whole[name] = group(**{one: options.pop(one) for one in given})
        build(self, **whole, **options)

    build_flat.__signature__ = signature  # type: ignore[attr-defined]
    model.__init__ = build_flat
    model.__doc__ = _with_meanings(model.__doc__ or "", groups.values())
    return model


def _flat(parameter):
    """The parameters that take the place of one."""
    if not dataclasses.is_dataclass(parameter.annotation):
        return [parameter]
    missing, empty, keyword = dataclasses.MISSING, parameter.empty, parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(field.name, keyword, default=empty if field.default is missing else field.default)
        for field in dataclasses.fields(parameter.annotation)
    ]


def _with_meanings(text, groups):
    """A docstring whose last section, `Args:`, has a line for each option of the groups too."""
    text = inspect.cleandoc(text)
    lines = [text] if "\nArgs:\n" in text else [text, "", "Args:"]
    for field in (field for group in groups for field in dataclasses.fields(group)):
        choices = field.metadata["choices"]
        meaning = field.metadata["meaning"] + (f"; one of {', '.join(choices)}" if choices else "")
        entry = f"{field.name}: {meaning}."
        lines.append(textwrap.fill(entry, 112, initial_indent=" " * 4, subsequent_indent=" " * 8))
    return "\n".join(lines) + "\n"
