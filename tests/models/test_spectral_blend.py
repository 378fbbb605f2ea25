"""Spectral factors beside attention and SASRec: each adds its own share, with its own part of a row."""

import numpy as np
import paddle
import pytest
from registry import training_items

from models import MODELS

V, T = 40, 3
HISTORY = [[5, 9, 2], [7, 0, 0], [11, 3, 0], [30, 31, 32]], [3, 1, 2, 3]
UNCUT = {"interest_num": 1, "embedding_dim": 40, "spectral_rank": 12, "mix_student_epochs": 0}  # R + W below D


def scores(**options):
    """Of all items, for the histories above."""
    paddle.seed(0)
    made = MODELS["spectral_blend"](item_count=V, maxlen=T, **UNCUT, **options)
    made.fit(training_items(V))
    made.eval()
    with paddle.no_grad():
        interests = made(*map(paddle.to_tensor, HISTORY))
        return paddle.matmul(interests[:, 0], made.item_vectors(), transpose_y=True)[:, 1:].numpy()


@pytest.mark.extras
@pytest.mark.parametrize("number", [1, 2])
def test_each_adds_its_share(number):
    sizes = {"mix_size": 9 // number, "sas_size": 11 // number, "mix_epochs": 1, "sas_epochs": 1}
    sizes |= {"mix_number": number, "sas_number": number}
    none, attention, transformer, both = (
        scores(mix_share=mix, sas_share=sas, **sizes) for mix, sas in ((0, 0), (0.5, 0), (0, 0.7), (0.5, 0.7))
    )
    added = both - none
    for one in (attention, transformer):
        assert np.abs(one - none).max() > 0.05 * np.abs(added).max()
    np.testing.assert_allclose(added, attention + transformer - 2 * none, atol=1e-3 * np.abs(added).max())
