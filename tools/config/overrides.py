"""What a user gave: keys of a yaml file and of `-o key=value`, each with the place to name in an error."""

import yaml

from tools.common.errors import UserError
from tools.common.files import read_text, shown

DEEPEST = 20  # nested lists and mappings
# What PyYAML raises for a tag that does not fit its value, `!!int ''` say, and for a date that is none.
MISFITS = (ValueError, LookupError, AttributeError, TypeError, OverflowError)


class PlainLoader(yaml.SafeLoader):
    """SafeLoader without aliases, which can stand for endlessly many values, and without endless nesting."""

    depth = 0

    def compose_node(self, parent, index):
        """A value; a `YAMLError` where it is an alias or nested too deeply."""
        mark = self.peek_event().start_mark
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not taken; write the value itself", mark)
        if self.depth == DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"nested more than {DEEPEST} levels deep", mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def load_yaml(text):
    """The value of a yaml text, without aliases; a `ValueError` for anything else."""
    try:
        return yaml.load(text, PlainLoader)
    except (yaml.YAMLError, *MISFITS) as error:
        raise ValueError(str(error)) from None


def read_yaml(path) -> dict[str, tuple]:
    """Dotted key -> (value, file:line).

    Raises:
        UserError: for a file that is not readable or no mapping, a value that yaml refuses, a key that occurs twice.
    """
    text = read_text(path)
    try:
        loader = PlainLoader(text)
        root = loader.get_single_node()
        pairs = list(_leaves(loader, root, "", path)) if root else []
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UserError(f"{path}:{line}: not valid yaml: the character {chr(error.character)!r}; remove it") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: not valid yaml: {shown(error.problem, 200)}; correct it") from None
    given: dict[str, tuple] = {}
    for key, (value, where) in pairs:
        if key in given:
            raise UserError(f"{where}: {key}: given before, at {given[key][1]}; keep one of them")
        given[key] = value, where
    return given


def _leaves(loader, node, prefix, path):
    where = f"{path}:{node.start_mark.line + 1}"
    if not isinstance(node, yaml.MappingNode) and not prefix:
        raise UserError(f"{where}: not a mapping; write runner: and hyper_parameters:")
    if prefix and not (isinstance(node, yaml.MappingNode) and node.value):
        try:
            yield prefix, (loader.construct_object(node, deep=True), where)
        except MISFITS as error:
            raise UserError(f"{where}: {prefix}: {shown(error, 200)}; put a text in quotes") from None
        return
    for name, child in node.value:
        if not isinstance(name, yaml.ScalarNode):
            raise UserError(f"{path}:{name.start_mark.line + 1}: a key is a text, not a list or mapping; correct it")
        key = shown(name.value)
        yield from _leaves(loader, child, f"{prefix}.{key}" if prefix else key, path)


def read_overrides(overrides) -> dict[str, tuple]:
    """Dotted key -> (value, where) of `key=value` texts; a value that is no yaml is a text."""
    pairs = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        where = f"-o {shown(text, 200)}"
        if not equals:
            raise UserError(f"{where}: not of the form key=value, for example -o runner.epochs=3")
        key = shown(key.strip())
        try:
            pairs[key] = (load_yaml(value), where)
        except ValueError:
            pairs[key] = (value, where)
    return pairs
