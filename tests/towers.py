"""Every user tower as a test case, and what it must give."""

import numpy as np
import paddle
import pytest
from registry import NEEDS_EXTRA

from models import MODELS
from tools.config.load import constructor_options

OPTIONS: list[dict] = [
    {},
    {"dynamic_interest_num": True},
    {"similarity": "cosine"},
    {"squash_power": 0.5, "relu_layer": True},
    {"interests": "mind", "dynamic_interest_num": True},
]
TRANSFORMER = {"encoder": "transformer", "transformer_blocks": 2, "transformer_heads": 2}
# What an encoder computes is the same before all extractors.
ENCODED = [("mind", TRANSFORMER), ("comirec_dr", TRANSFORMER), ("comirec_sa", {"encoder": "gru"})]
CASES = [  # every model that ONNX knows, with what changes its tower's operators
    pytest.param(
        name, options, marks=[*([pytest.mark.extras] * (name in NEEDS_EXTRA)), *([pytest.mark.slow] * bool(options))]
    )
    for name, model in MODELS.items()
    for options in OPTIONS
    if options.keys() <= constructor_options(model) and model.has_onnx and not model.gives_scores
] + ENCODED


def eager(model, hist_item, seq_len):
    """Interests, live mask and coupling of a model."""
    lengths = paddle.to_tensor(seq_len)
    with paddle.no_grad():
        interests, coupling = model.route(paddle.to_tensor(hist_item), lengths)
        return interests.numpy(), model.live_interests(lengths).numpy(), coupling.numpy()


def check_outputs(found, expected):
    """A user tower's interests, live mask and coupling against another's."""
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
