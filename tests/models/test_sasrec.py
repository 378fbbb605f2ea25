"""SASRec against NumPy, user by user and prefix by prefix."""

import numpy as np
import paddle
import pytest

from models import MODELS
from models.layers.functional import length_mask
from models.layers.transformer import Layout

V, D, T = 40, 8, 11
LENGTHS = [11, 5, 1, 0, 8, 2, 3]


def build(**options):
    paddle.seed(3)
    options = {"transformer_blocks": 2, "transformer_heads": 2, "negatives": "full", "init_std": 0.3} | options
    model = MODELS["sasrec"](item_count=V, embedding_dim=D, maxlen=T, **options)
    for value in model.extractor.parameters():  # biases and norms too
        value.set_value(value + 0.1 * paddle.randn(value.shape))
    model.eval()
    return model


def histories():
    rng = np.random.default_rng(0)
    hist_item = np.where(np.arange(T) < np.array(LENGTHS)[:, None], rng.integers(1, V, (len(LENGTHS), T)), 0)
    return paddle.to_tensor(hist_item), paddle.to_tensor(LENGTHS)


def norm(x, layer):
    deviation = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return (x - x.mean(axis=-1, keepdims=True)) / deviation * layer.weight.numpy() + layer.bias.numpy()


def linear(x, layer):
    return x @ layer.weight.numpy() + layer.bias.numpy()


def states(model, items):
    """Those of one user, in float64, and the last block's attention as a mean of its heads."""
    net, n = model.extractor, len(items)
    x = model.item_table.weight.numpy().astype(np.float64)[items] * np.sqrt(D) + net.position.numpy()[:n]
    for block in net.blocks:
        read, mixed, shares = norm(x, block.attention_norm), [], []
        query, key, value = (linear(read, one) for one in (block.query, block.key, block.value))
        for head in np.split(np.arange(D), 2):
            score = query[:, head] @ key[:, head].T / np.sqrt(D / 2)
            score[np.triu_indices(n, 1)] = -np.inf
            share = np.exp(score - score.max(axis=1, keepdims=True))
            shares.append(share / share.sum(axis=1, keepdims=True))
            mixed.append(shares[-1] @ value[:, head])
        x = x + linear(np.concatenate(mixed, axis=1), block.join)
        x = x + linear(np.maximum(linear(norm(x, block.layer_norm), block.linear1), 0), block.linear2)
    return norm(x, net.norm), np.mean(shares, axis=0)


def test_states_and_attention_by_hand():
    model, (hist_item, seq_len) = build(), histories()
    interests, coupling = (one.numpy() for one in model.route(hist_item, seq_len))
    read, layout, _ = model.extractor.read(model.item_table(hist_item), length_mask(seq_len, T))
    for user, length in enumerate(LENGTHS):
        if not length:
            assert not interests[user].any()
            assert not coupling[user].any()
            continue
        want, attention = states(model, hist_item.numpy()[user, :length])
        np.testing.assert_allclose(read.numpy()[layout.user.numpy() == user], want, atol=1e-5)
        np.testing.assert_allclose(interests[user, 0], want[-1], atol=1e-5)
        np.testing.assert_allclose(coupling[user, 0, :length], attention[-1], atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"similarity": "cosine", "temperature": 0.2}], ids=str)
def test_one_pass_learns_what_every_prefix_alone_would(options):
    """Value and gradient: each position once, with its next item; two targets after the end."""
    hist_item, seq_len = histories()
    targets = np.random.default_rng(1).integers(1, V, (len(LENGTHS), 2))
    targets[2, 1] = 0
    one, every = build(all_positions=False, **options), build(**options)
    items, prefixes, lengths, wanted = hist_item.numpy(), [], [], []
    for user, length in enumerate(LENGTHS):
        ends = [(n, items[user, n]) for n in range(1, length)] + [(length, item) for item in targets[user] if item]
        for n, item in ends:
            prefixes.append(np.where(np.arange(T) < n, items[user], 0))
            lengths.append(n)
            wanted.append(item)
    apart = one.loss(*map(paddle.to_tensor, (np.array(prefixes), np.array(wanted), np.array(lengths))))
    together = every.loss(hist_item, paddle.to_tensor(targets), seq_len)
    assert float(together) == pytest.approx(float(apart), rel=1e-5)
    assert every.target_num(paddle.to_tensor(targets), seq_len) == len(wanted)
    apart.backward(), together.backward()
    for (name, first), (_, second) in zip(one.named_parameters(), every.named_parameters(), strict=True):
        np.testing.assert_allclose(second.grad.numpy(), first.grad.numpy(), atol=2e-6, err_msg=name)


def test_cells_do_not_overlap_and_no_cell_is_cut():
    rng = np.random.default_rng(2)
    for longest in (1, 7, 16, 50):
        length = rng.integers(0, longest + 1, 60)
        layout = Layout(length_mask(paddle.to_tensor(length), longest))
        slot, user = layout.slot.numpy(), layout.user.numpy()
        assert len(np.unique(slot)) == length.sum() == len(slot)
        assert slot.max(initial=0) < layout.rows.item() * layout.width
        for row in np.flatnonzero(length):
            own = slot[user == row]
            assert (np.diff(own) == 1).all()
            assert own[0] // layout.width == own[-1] // layout.width
        assert layout.rows.item() * layout.width < 2 * length.sum() + len(length) + layout.width


def test_heads_divide_the_size():
    with pytest.raises(ValueError, match="transformer_heads 3 does not divide embedding_dim 8"):
        build(transformer_heads=3)
