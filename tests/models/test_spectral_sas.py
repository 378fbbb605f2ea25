"""Spectral factors beside SASRec: the two scores, and the samples that the transformer sees."""

import numpy as np
import paddle
import pytest
from registry import USERS, training_items

from models import MODELS
from models.spectral.events import Events
from models.spectral_sas import sample

V, T = 40, 3
HISTORY = [[5, 9, 2], [7, 0, 0], [11, 3, 0], [30, 31, 32]], [3, 1, 2, 3]
UNCUT = {"interest_num": 1, "embedding_dim": 30, "spectral_rank": 12, "mix_student_epochs": 0}  # R + W below D


def model(name="spectral_sas", **options):
    paddle.seed(0)
    made = MODELS[name](item_count=V, maxlen=T, **options)
    made.fit(training_items(V))
    made.eval()
    return made


def scores(made):
    """Of all items, for the histories above."""
    with paddle.no_grad():
        interests = made(*map(paddle.to_tensor, HISTORY))
        return paddle.matmul(interests[:, 0], made.item_vectors(), transpose_y=True)[:, 1:].numpy()


@pytest.mark.extras
def test_the_transformer_adds_its_share():
    found = {
        share: scores(mix := model(sas_size=10, sas_epochs=1, sas_share=share, **UNCUT)) for share in (0.0, 0.5, 1)
    }
    hist_item, seq_len = map(paddle.to_tensor, HISTORY)
    with paddle.no_grad():
        rows = mix.item_table(hist_item)[:, :, 12:]
        state = mix.extractor(rows, (paddle.arange(T) < seq_len.unsqueeze(1)).astype("float32"))[:, 0]
        own = paddle.matmul(state, mix.item_rows()[:, 12:], transpose_y=True)[:, 1:].numpy()
    first, second = found[0.5] - found[0.0], found[1] - found[0.5]
    np.testing.assert_allclose(first, second, atol=1e-3 * np.abs(second).max())
    factor = (second * own).sum() / (own * own).sum()
    assert factor > 0
    np.testing.assert_allclose(second, factor * own, atol=1e-3 * np.abs(second).max())


@pytest.mark.extras
def test_without_network_and_transformer_it_ranks_as_spectral():
    mix = scores(model(sas_size=2, sas_epochs=1, sas_share=0.0, spectral_epochs=0, **UNCUT))
    plain = scores(model("spectral", interest_num=1, embedding_dim=12, spectral_rank=12))
    for own, other in zip(mix, plain, strict=True):
        assert np.corrcoef(own, other)[0, 1] > 0.9999


def test_samples_end_before_the_last_event():
    events = Events(USERS, T)
    last = (events.end - 1)[events.taught]
    hist_item, target_item, seq_len = sample(events, last)  # the user with one item has no history
    assert hist_item.tolist() == [[6, 7, 8], [2, 0, 0]]
    assert target_item.tolist() == [9, 3]
    assert seq_len.tolist() == [3, 1]
