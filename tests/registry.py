"""Registered models as test parameters: every one, those that are trained by gradient, those with several interests."""

from types import SimpleNamespace

import numpy as np
import pytest

from models import MODELS
from models.spectral.events import Items
from tools.config.load import constructor_options

# Their `fit` needs the package implicit.
NEEDS_EXTRA = {"item_knn", "rp3beta", "ease", "wals", "maxmf"}
NEEDS_EXTRA |= {"spectral", "spectral_net", "spectral_mix", "spectral_sas", "spectral_blend"}
GRADIENT = [name for name, model in MODELS.items() if hasattr(model, "loss")]
SEVERAL = [name for name, model in MODELS.items() if "interest_num" in constructor_options(model)]


def parameters(names):
    return [pytest.param(name, marks=pytest.mark.extras) if name in NEEDS_EXTRA else name for name in names]


every_model = pytest.mark.parametrize("name", parameters(MODELS))
gradient_models = pytest.mark.parametrize("name", GRADIENT)
several_interests = pytest.mark.parametrize("name", parameters(SEVERAL))


def create(name, **options):
    """A model with those of the options that its constructor takes."""
    return MODELS[name](**{key: value for key, value in options.items() if key in constructor_options(MODELS[name])})


def training_items(item_count, users=40, length=12, seed=0):
    """What a model's own `fit` takes: random users."""
    values = np.random.default_rng(seed).integers(1, item_count, users * length)
    return SimpleNamespace(values=values, offsets=np.arange(0, len(values) + 1, length))


USERS = Items(np.array([5, 6, 7, 8, 9, 1, 2, 3], "int32"), np.array([0, 5, 6, 8]))  # of 5, 1 and 2 items
