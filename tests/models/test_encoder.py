"""Encoders between the rows of a history and the extractor, with every model that has several interests."""

import inspect

import numpy as np
import paddle
import pytest
from registry import GRADIENT, SEVERAL, create

from models.base.options import States
from models.gru4rec import LastState
from models.layers.encoder import ENCODERS, GRUStates, TransformerStates
from models.layers.functional import length_mask
from models.layers.transformer import CausalTransformer
from tools.config.load import keys

V, D, T, K = 40, 8, 6, 3
LENGTHS = [6, 4, 1, 2, 0]  # no order: the transformer puts histories side by side by their lengths
MIXED = [name for name in GRADIENT if name in SEVERAL]
READING = {"transformer": {"transformer_blocks": 2, "transformer_heads": 2}, "gru": {}}
mixed = pytest.mark.parametrize("name", MIXED)
reading = pytest.mark.parametrize("encoder", READING)


def build(name, encoder, **options):
    paddle.seed(3)
    options = {"interests": "mind", "init_std": 0.3, "negatives": "full", **READING.get(encoder, {}), **options}
    sizes = {"item_count": V, "embedding_dim": D, "maxlen": T, "interest_num": K}
    return create(name, encoder=encoder, **{**sizes, **options})


def batch():
    rng = np.random.default_rng(2)
    seq_len = np.array(LENGTHS)
    hist_item = np.where(np.arange(T) < seq_len[:, None], rng.integers(1, V, (len(seq_len), T)), 0)
    return paddle.to_tensor(hist_item), paddle.to_tensor(seq_len), paddle.to_tensor(rng.integers(1, V, len(seq_len)))


def rows():
    """Rows `[B, T, D]`, padding's not zero, and their mask."""
    values = np.random.default_rng(1).normal(size=(len(LENGTHS), T, D)).astype("float32")
    return paddle.to_tensor(values), length_mask(paddle.to_tensor(LENGTHS), T)


def test_every_encoder_has_its_name_in_the_configuration():
    choices = keys()["hyper_parameters.encoder"].metadata["choices"].split()
    assert choices == list(ENCODERS)
    assert {"encoder"} < inspect.signature(States).parameters.keys()


@mixed
def test_without_one_a_model_is_what_it_was(name):
    """Names of parameters, so that checkpoints load, and values."""
    model = build(name, "none")
    assert not [key for key in model.state_dict() if key.startswith("encoder")]
    hist_item, seq_len, _ = batch()
    hist_eb = model.item_table(hist_item)
    interests, _ = model.extractor.eval().route(hist_eb, length_mask(seq_len, T))
    if model.user_tower is not None:
        interests = model.user_tower(interests, None)
    np.testing.assert_array_equal(model.eval()(hist_item, seq_len).numpy(), interests.numpy())


@mixed
@reading
def test_interests_are_of_the_history_alone(name, encoder):
    """What stands behind its end and beside it is not in them, and an order of its own is."""
    model = build(name, encoder, routing_softmax="items").eval()
    hist_item, seq_len, _ = batch()
    interests, coupling = model.route(hist_item, seq_len)
    assert interests.shape == [len(LENGTHS), K, D]
    assert not (coupling.numpy() * (1 - length_mask(seq_len, T).numpy()[:, None])).any()
    assert np.isfinite(interests.numpy()).all()
    dirty = paddle.where(hist_item == 0, paddle.full_like(hist_item, 7), hist_item)
    np.testing.assert_allclose(model(dirty, seq_len).numpy(), interests.numpy(), rtol=1e-5, atol=1e-6)
    for user in range(len(LENGTHS)):
        alone = model(hist_item[user : user + 1], seq_len[user : user + 1]).numpy()[0]
        np.testing.assert_allclose(alone, interests.numpy()[user], rtol=1e-4, atol=1e-5)
    turned = hist_item.numpy()
    turned[0, :2] = turned[0, 1::-1]
    assert np.abs(model(paddle.to_tensor(turned), seq_len).numpy()[0] - interests.numpy()[0]).max() > 1e-4


@mixed
@reading
def test_a_model_learns_with_one(name, encoder):
    """All parameters have a part in it, and the loss falls; one interest is enough."""
    model = build(name, encoder, dropout=0.1, interest_num=1)
    model.train()
    optimizer = paddle.optimizer.Adam(0.02, parameters=model.parameters())
    hist_item, seq_len, target_item = batch()
    losses = []
    for _ in range(15):
        loss = model.loss(hist_item, target_item, seq_len)
        loss.backward()
        assert not [key for key, value in model.named_parameters() if value.grad is None]
        optimizer.step()
        optimizer.clear_grad()
        losses.append(float(loss))
    assert losses[-1] < losses[0]
    assert not model.item_table.weight.numpy()[0].any()


def test_states_of_the_transformer_are_those_that_sasrec_reads():
    paddle.seed(1)
    transformer = CausalTransformer(hidden_size=D, seq_len=T, blocks=2, heads=2, dropout=0.0)
    (item_eb, mask), last = rows(), np.array(LENGTHS) - 1
    states = TransformerStates(transformer=transformer)(item_eb, mask).numpy()
    assert states.shape == (len(LENGTHS), T, D)
    assert not states[mask.numpy() == 0].any()
    own = transformer(item_eb, mask).numpy()[:, 0]
    np.testing.assert_array_equal(states[np.arange(len(last)), np.maximum(last, 0)], own)


def test_states_of_the_gru_are_those_that_gru4rec_reads():
    reader, last = GRUStates(hidden_size=D), LastState(hidden_size=D)
    last.gru.set_state_dict(reader.gru.state_dict())
    (item_eb, mask), place = rows(), np.array(LENGTHS) - 1
    states = reader(item_eb, mask).numpy()
    assert not states[mask.numpy() == 0].any()
    own = last(item_eb, mask).numpy()[:, 0]
    np.testing.assert_allclose(states[np.arange(len(place)), np.maximum(place, 0)], own, rtol=1e-6)


@reading
def test_values_are_dropped_once(encoder):
    """The transformer drops them itself; a GRU is given what is left of the rows."""
    model = build("comirec_sa", encoder, dropout=0.5)
    held = isinstance(model.dropout, paddle.nn.Identity)
    assert held == (encoder == "transformer") == model.encoder.has_dropout
    model.train()
    hist_item, seq_len, target_item = batch()
    assert len({float(model.loss(hist_item, target_item, seq_len)) for _ in range(3)}) == 3
