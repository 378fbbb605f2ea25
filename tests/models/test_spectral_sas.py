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
@pytest.mark.parametrize("number", [1, 2])
def test_each_transformer_adds_its_share(number):
    options = {"sas_size": 10 // number, "sas_number": number, "sas_epochs": 1, **UNCUT}
    found = {share: scores(mix := model(sas_share=share, **options)) for share in (0.0, 0.5, 1)}
    hist_item, seq_len = map(paddle.to_tensor, HISTORY)
    transformers = [mix.extractor, *mix.others]
    assert len(transformers) == number
    own = []
    with paddle.no_grad():
        mask = (paddle.arange(T) < seq_len.unsqueeze(1)).astype("float32")
        histories = mix.item_table(hist_item)[:, :, 12:].chunk(number, axis=2)
        for one, history, rows in zip(transformers, histories, mix.item_rows()[:, 12:].chunk(number, 1), strict=True):
            own.append(paddle.matmul(one(history, mask)[:, 0], rows, transpose_y=True)[:, 1:].numpy().ravel())
    first, second = found[0.5] - found[0.0], found[1] - found[0.5]
    np.testing.assert_allclose(first, second, atol=1e-3 * np.abs(second).max())
    parts = np.stack(own, 1)
    factors = np.linalg.lstsq(parts, second.ravel(), rcond=None)[0]
    assert (factors > 0).all()
    np.testing.assert_allclose(second.ravel(), parts @ factors, atol=1e-3 * np.abs(second).max())
    spread = factors * parts.std(axis=0)
    assert spread.max() < 2 * spread.min()  # equal parts


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
