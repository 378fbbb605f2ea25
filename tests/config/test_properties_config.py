"""Any yaml and any override: a configuration that is the same when saved and read again, or a line for each fault."""

import math
import re
import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from messages import check_message
from properties import any_bytes

from models import MODELS
from tools.common.errors import UserError
from tools.config.load import Config
from tools.training.settings import load_settings

DEFAULTS = Config().flat()
KEYS = sorted(DEFAULTS)
TEXT = st.text(max_size=5)
NUMBERS = st.one_of(
    st.integers(-2, 60), st.integers(), st.floats(), st.sampled_from([10**400, 2**31, 2**31 - 1, 2**63, math.inf, -0.0])
)
WORDS = st.sampled_from([
    "Adam", "SGD", "cosine", "exponential", "static", "flat", "ivf", "hnsw", "ivf_pq", "IVF64,Flat", "nprobe=3",
    "recall@50", "recall@20", "recall@\u00b2", "recall@050", "ndcg@", "mind", "comirec_sa", "1e-3", "inf", "nan", "on",
    "null", "~", "a/b", "\u732b", "a\nb", "\0", "", " ", "\ud800", "\u2028", "\x85", "\ufeff", "x" * 3000, "1_000",
    "0x10", "1:30", "2020-01-01",
])  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)


def value_of(key):
    """What a key may hold, more often than not."""
    default = DEFAULTS[key]
    kinds = {
        bool: st.booleans(),
        int: st.integers(0, 99),
        float: st.floats(0, 2),
        str: WORDS,
        list: st.lists(st.integers(1, 60), min_size=1, max_size=3),
    }
    return kinds.get(type(default), st.none() | st.integers(1, 9) | WORDS) | st.just(default) | VALUES


NAMES = st.sampled_from([*KEYS, "runner.epoch", "seed", "runner", "a.b.c"])
GIVEN = st.sets(NAMES, max_size=4).flatmap(
    lambda keys: st.fixed_dictionaries({key: value_of(key) if key in DEFAULTS else VALUES for key in sorted(keys)})
)


def loads(path, overrides=(), lines=None):
    """Load a configuration; whatever comes out of it is right. Gives the lines of the error."""
    try:
        config = load_settings(path, overrides, MODELS)
    except UserError as error:
        messages = str(error).split("\n       ")
        for message in messages:
            check_message(message, "c.yaml:", "-o ", "c.yaml")
            assert re.match(r".*c\.yaml(:\d+)?: |-o ", message)
        return messages
    config.save(path.with_name("saved.yaml"))
    assert load_settings(path.with_name("saved.yaml"), (), MODELS) == config
    return []


def nested(flat):
    root = {}
    for key, value in flat.items():
        *sections, name = key.split(".")
        branch = root
        for section in sections:
            branch = branch.setdefault(section, {}) if isinstance(branch.get(section, {}), dict) else {}
        branch[name] = value
    return root


@given(GIVEN, st.sampled_from([None, True, False]), st.booleans())
@pytest.mark.slow
def test_any_values_of_keys(tmp_path, given, style, unicode):
    try:
        text = yaml.safe_dump(
            nested(given | {"hyper_parameters.item_count": 9}), default_flow_style=style, allow_unicode=unicode
        )
        (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    except (UnicodeEncodeError, ValueError):  # a half of a pair, a number of more digits than Python prints
        return
    messages = loads(tmp_path / "c.yaml")
    if unknown := set(given) - set(DEFAULTS) - {"runner"}:
        assert messages, unknown


@given(
    st.lists(st.tuples(st.sampled_from([*KEYS, "a", ""]), VALUES.map(str) | TEXT | WORDS), max_size=3),
    st.sampled_from("= \n"),
)
def test_any_overrides(tmp_path, pairs, sign):
    (tmp_path / "c.yaml").write_text("hyper_parameters: {item_count: 9}")
    loads(tmp_path / "c.yaml", [f"{key}{sign}{value}" for key, value in pairs])


WHOLE = b"""\
# a comment
runner:
  seed: 3
  top_n: [20, 50]
  model_save_path: "out put"
  use_gpu: false
  best_metric: recall@20
hyper_parameters:
  item_count: 99
  model: mind
  pow_p: .inf
  optimizer: {class: Adam, learning_rate: 1e-3}
"""
YAML = st.text(string.printable + "\u732b\x85\u2028", max_size=40)


@given(
    any_bytes(WHOLE, WHOLE.replace(b"\n", b"\r\n"))
    | YAML.map(str.encode)
    | VALUES.map(repr).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_as_a_configuration(tmp_path, data):
    (tmp_path / "c.yaml").write_bytes(data)
    loads(tmp_path / "c.yaml")


LEVELS = "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
MAPS = "".join(f"  a{n}: &a{n} {{{', '.join(f'k{k}: *a{n - 1}' for k in range(9))}}}\n" for n in range(1, 30))
MERGES = "".join(f"  a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 30))


@pytest.mark.parametrize("text, line", [
    ("runner: &a {seed: *a}\n", 1), ("a: &a [*a]\n", 1), ("&a a: *a\n", 1), ("a: *b\n", 1),
    ("runner: {seed: &s 1, epochs: *s}\n", 1), (f"runner:\n  a0: &a0 [x]\n{LEVELS}", 3),
    (f"runner:\n  a0: &a0 {{x: y}}\n{MAPS}", 3), (f"runner:\n  a0: &a0 {{x: y}}\n{MERGES}", 3),
    ("a: " + "[" * 100_000, 1), ("a: " + "{a: " * 5000, 1), ("- " * 5000, 1), ("runner: {<<: {seed: 1}}\n", 1),
    ("<<: {a: 1}\n", 1), ("runner:\n  [1, 2]: 3\n", 2), ("runner:\n  ? {a: b}\n  : 1\n", 2),
    ("runner:\n  'a\\nb': 1\n", 2), ("runner:\n  \"a\\nb\\u2028\": 1\n", 2), ("runner:\n  : 1\n", 2),
    ("runner:\n  ~: 1\n", 2), ("runner:\n  true: 1\n", 2), ("runner:\n  1.5: 1\n", 2),
    ("runner:\n  " + "k" * 900 + ": 1\n", 2), ("runner:\n  seed: " + "9" * 5000, 2),
    ("runner:\n  seed: 0x" + "f" * 5000, 2), ("runner:\n  seed: " + "9" * 30, 2), ("runner:\n  seed: .inf\n", 2),
    ("runner:\n  seed: 1e3\n", 2), ("runner:\n  seed: 2001-01-01\n", 2),
    ("runner:\n  model_save_path: 2001-01-01 10:10:10\n", 2), ("runner:\n  seed: 2001-99-01\n", 2),
    ("runner:\n\tseed: 1\n", 2), ("runner:\n  seed: \0\n", 2), ("runner:\n  seed: \x07\n", 2),
    ("runner:\n  model_save_path: \"\\0\"\n", 2), ("runner:\n  model_save_path: \"a\\nb\"\n", 2),
    ("runner:\n  model_save_path: \"\\uD800\"\n", 2), ("runner:\n  seed: !!int ''\n", 2),
    ("runner:\n  seed: !!bool x\n", 2), ("runner:\n  seed: !!timestamp x\n", 2), ("runner:\n  seed: !!float x\n", 2),
    ("runner:\n  seed: !!binary x\n", 2), ("runner:\n  seed: !!set {a}\n", 2),
    ("runner:\n  seed: !!python/object/apply:os.system [x]\n", 2), ("runner:\n  best_metric: recall@\u00b2\n", 2),
    ("runner:\n  best_metric: recall@" + "9" * 5000, 2), ("runner:\n  top_n: [[[1]]]\n", 2),
    ("hyper_parameters:\n  item_count: 2147483648\n", 2), ("hyper_parameters:\n  embedding_dim: 1000000000000\n", 2),
    ("hyper_parameters:\n  maxlen: 4294967296\n", 2), ("runner:\n  index: ivf\n  index_search: nprobe=" + "9" * 400, 3),
    ("runner:\n  index: IVF99999999999999999999,Flat\n", 2), ("runner:\n  index: " + "x" * 5000, 2),
    ("a: 1\n---\na: 2\n", 2), ("%YAML 9.9\n---\na: 1\n", 1), ("runner: {seed: 1}\nrunner: {seed: 2}\n", 2),
])  # fmt: skip
def test_what_yaml_can_do_to_a_reader(tmp_path, text, line):
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8", newline="")
    messages = loads(tmp_path / "c.yaml")
    assert any(f"c.yaml:{line}: " in message for message in messages), messages


@pytest.mark.parametrize("key, value", [
    ("hyper_parameters.pow_p", ".inf"), ("hyper_parameters.item_count", "2147483647"),
    ("runner.model_save_path", "'\u3000\u732b\U0001f600'"), ("runner.model_save_path", "a" * 3000),
    ("hyper_parameters.optimizer.learning_rate", "1" + "0" * 30), ("runner.index", "'IVF16,Flat'"),
])  # fmt: skip
def test_odd_but_right_values(tmp_path, key, value):
    (tmp_path / "c.yaml").write_text("hyper_parameters: {item_count: 9}")
    assert loads(tmp_path / "c.yaml", [f"{key}={value}"]) == []


@pytest.mark.parametrize(
    "text", ["runner:\n", "runner: {}\n", "optimizer: {}\n", "hyper_parameters: {optimizer: {}}\n"]
)
def test_an_empty_section_is_none_and_any_other_is_named(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    messages = loads(tmp_path / "c.yaml", ["hyper_parameters.item_count=9"])
    assert bool(messages) == text.startswith("optimizer")
