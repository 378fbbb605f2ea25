"""What a user gave: keys of a yaml file and of `-o key=value`, each with the place to name in an error."""

import yaml

from tools.errors import UserError


def read_yaml(path) -> dict[str, tuple]:
    """Dotted key -> (value, file:line).

    Raises:
        UserError: for a file that is not readable or no mapping, a value that yaml refuses, a key that stands twice.
    """
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8-sig"))
        root = loader.get_single_node()
        pairs = list(_leaves(loader, root, "", path)) if root else []
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a yaml file with -m") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not valid yaml: {getattr(error, 'problem', None) or error}") from None
    given: dict[str, tuple] = {}
    for key, (value, where) in pairs:
        if key in given:
            raise UserError(f"{where}: {key}: given before, at {given[key][1]}; keep one of them")
        given[key] = value, where
    return given


def _leaves(loader, node, prefix, path):
    if not isinstance(node, yaml.MappingNode):
        if not prefix:
            raise UserError(f"{path}:{node.start_mark.line + 1}: not a mapping; write runner: and hyper_parameters:")
        where = f"{path}:{node.start_mark.line + 1}"
        try:
            yield prefix, (loader.construct_object(node, deep=True), where)
        except ValueError as error:  # a date that is none, a number of a thousand digits
            raise UserError(f"{where}: {prefix}: {error}; put a text in quotes") from None
        return
    for name, child in node.value:
        yield from _leaves(loader, child, f"{prefix}.{name.value}" if prefix else str(name.value), path)


def read_overrides(overrides) -> dict[str, tuple]:
    """Dotted key -> (value, where) of `key=value` texts; a value that is no yaml is a text."""
    pairs = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"-o {text}: not of the form key=value, for example -o runner.epochs=3")
        try:
            pairs[key.strip()] = (yaml.safe_load(value), f"-o {text}")
        except (yaml.YAMLError, ValueError):
            pairs[key.strip()] = (value, f"-o {text}")
    return pairs
