"""Options of models: every constructor names each with its meaning, and the configuration's keys are in step."""

import dataclasses
import inspect
import re
import sys

import pytest
from registry import every_model

from models import MODELS
from models.base.keywords import flat_options, option
from tools.common.errors import UserError
from tools.config.load import constructor_options, load_config
from tools.config.schema import HyperParameters

KEYS = {field.name: field for field in dataclasses.fields(HyperParameters)}
FEATURES = {"item_features", "user_features"}  # the configuration names them, the model takes what they hold
MODULES = [module for name, module in sys.modules.items() if name.split(".")[0] == "models"]
GROUPS = {one for module in MODULES for one in vars(module).values() if isinstance(one, type)}
GROUPS = sorted(filter(dataclasses.is_dataclass, GROUPS), key=lambda group: group.__name__)
SHARED = [(group, field) for group in GROUPS for field in dataclasses.fields(group)]


@every_model
def test_a_constructor_names_its_options(name):
    for parameter in inspect.signature(MODELS[name]).parameters.values():
        assert parameter.kind is parameter.KEYWORD_ONLY
    method = list(inspect.signature(MODELS[name].__init__).parameters)
    assert method[0] == "self"
    assert set(method[1:]) == constructor_options(MODELS[name])


@every_model
def test_the_docstring_has_each_option_s_meaning(name):
    _, _, section = inspect.getdoc(MODELS[name]).rpartition("Args:\n")
    named = [one for names in re.findall(r"^ {4}(\w+(?:, \w+)*): \S", section, flags=re.M) for one in names.split(", ")]
    assert sorted(named) == sorted(constructor_options(MODELS[name]))


@every_model
def test_defaults_are_those_of_the_configuration(name):
    for parameter in inspect.signature(MODELS[name]).parameters.values():
        assert parameter.name in KEYS
        if parameter.default is not parameter.empty and parameter.name not in FEATURES:
            assert parameter.default == KEYS[parameter.name].default, parameter.name


@pytest.mark.parametrize("group, field", SHARED, ids=lambda one: getattr(one, "__name__", None) or one.name)
def test_shared_options_mean_what_the_configuration_says(group, field):
    rule, text = KEYS[field.name].metadata, field.metadata["meaning"]
    assert field.metadata["choices"] == (rule["choices"] or "").split()
    if field.name in FEATURES or (group.__name__, field.name) == ("Network", "dropout"):  # of a network's inputs there
        return
    comment = re.sub(rf"^(({'|'.join(MODELS)})(, )?)+: ", "", rule["comment"])
    comment = comment.replace("null", "None").replace("`.inf`", "`inf`")
    assert comment.removesuffix("; see `meta.yaml`") == text


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """Two options."""

    first: int = option("the first")
    second: str = option("the second", default="a", choices="a b")


@flat_options
class Made:
    """What it is.

    Args:
        third: its own.
    """

    def __init__(self, pair: Pair, *, third=3):
        self.given = pair, third


def test_groups_are_given_flat():
    assert Made(first=1).given == (Pair(first=1), 3)
    assert Made(first=1, second="b", third=5).given == (Pair(first=1, second="b"), 5)
    assert str(inspect.signature(Made)) == "(*, first, second='a', third=3)"
    assert inspect.getdoc(Made).endswith(
        "Args:\n    third: its own.\n    first: the first.\n    second: the second; one of a, b."
    )


@pytest.mark.parametrize(
    "options, message",
    [({}, "missing a required.*'first'"), ({"first": 1, "fourth": 2}, "unexpected keyword argument 'fourth'")],
)
def test_a_missing_or_unknown_option_is_named(options, message):
    with pytest.raises(TypeError, match=message):
        Made(**options)


def test_options_are_not_given_by_position():
    with pytest.raises(TypeError):
        Made(1)


@pytest.mark.parametrize("encoder", ["none", "gru"])
def test_a_transformer_s_options_need_it(encoder, tiny_config):
    given = [f"hyper_parameters.{one}" for one in ("transformer_blocks=2", "model=remi", f"encoder={encoder}")]
    with pytest.raises(UserError, match=f"transformer_blocks: has no effect with encoder: {encoder}; remove it"):
        load_config(tiny_config, given, MODELS)
    with pytest.raises(UserError, match="encoder: 'lstm' is not one of none, transformer, gru"):
        load_config(tiny_config, ["hyper_parameters.encoder=lstm"], MODELS)
    with pytest.raises(UserError, match="encoder: does not apply to the model sasrec"):
        load_config(tiny_config, ["hyper_parameters.model=sasrec", "hyper_parameters.encoder=gru"], MODELS)


@pytest.mark.parametrize(
    "override, message",
    [
        ("hyper_parameters.transformer_heads=3", "3 must divide embedding_dim 4"),
        ("hyper_parameters.loss=gbce", "0.5 has no effect with loss: gbce; remove it"),
    ],
)
def test_what_does_not_go_together_is_named(override, message, tiny_config):
    options = ["hyper_parameters.model=sasrec", "hyper_parameters.hard_negative_beta=0.5", override]
    with pytest.raises(UserError, match=message):
        load_config(tiny_config, options, MODELS)
