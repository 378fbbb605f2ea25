"""What `help` says of a registered model: each option, with what it means."""

import inspect
import re

import pytest

from models import MODELS
from tools.config.load import constructor_options

every_class = pytest.mark.parametrize("name", MODELS)


def entries(text):
    """Name -> meaning of the lines below `Args:`; one line may name several options."""
    _, _, section = text.partition("\nArgs:\n")
    found = {}
    for names, meaning in re.findall(r"(?m)^    ([a-z0-9_]+(?:, [a-z0-9_]+)*): (.+(?:\n {8}.+)*)", section):
        found |= dict.fromkeys(names.split(", "), " ".join(meaning.split()))
    return found


@every_class
def test_help_names_every_option_with_its_meaning(name):
    model = MODELS[name]
    parameters = list(inspect.signature(model).parameters.values())
    assert {one.kind for one in parameters} == {inspect.Parameter.KEYWORD_ONLY}  # so there is no bare **options
    told = entries(inspect.getdoc(model))
    assert told.keys() == {one.name for one in parameters} == constructor_options(model)
    for option, meaning in told.items():
        assert len(meaning) > 8, option
        assert not meaning.startswith("see "), f"{option} is only referred to: {meaning}"


@every_class
def test_an_option_that_is_unknown_is_refused_by_name(name):
    known = {key: 4 for key in ("item_count", "embedding_dim", "maxlen") if key in constructor_options(MODELS[name])}
    with pytest.raises(TypeError, match="no_such_option"):
        MODELS[name](**known, no_such_option=1)
