"""Re4's three losses against loops over users, interests and behaviours, in float64, straight from the text."""

import numpy as np
import paddle
import pytest
from reference import softmax

from models.layers.backward_flow import draw_behaviours, re_attend
from models.re4 import Re4
from tools.serving.user_tower import save_tower

V, D, T, K, B, TAU = 12, 4, 5, 3, 6, 0.5
OFF = {f"re4_{name}_weight": 0.0 for name in ("contrast", "attend", "construct")}
LENGTHS = np.array([5, 4, 3, 2, 1, 0])


def build(maxlen=T, **options):
    paddle.seed(5)
    fixed = {"item_count": V, "embedding_dim": D, "maxlen": maxlen, "interest_num": K, "neg_samples": 5}
    return Re4(**{**fixed, "init_std": 1.0, "re4_temperature": TAU, **OFF, **options})


def batch(seed=0, lengths=LENGTHS):
    """Right-padded histories; of 11 items, so that users share some and hold some twice."""
    rng = np.random.default_rng(seed)
    hist_item = np.where(np.arange(T) < lengths[:, None], rng.integers(1, V, (len(lengths), T)), 0)
    return hist_item, rng.integers(1, V, len(lengths)), lengths


def loss_of(model, arrays):
    paddle.seed(8)
    return model.loss(*map(paddle.to_tensor, arrays))


def term_of(arrays, name, **options):
    """What a term of weight 1 adds to the loss, and the model."""
    model = build(**{f"re4_{name}_weight": 1.0}, **options)
    return float(loss_of(model, arrays)) - float(loss_of(build(**options), arrays)), model


class Users:
    """A batch as a list of users, each with behaviours x, ids, interests z, attention a; live interests only."""

    def __init__(self, model, arrays):
        hist_item, _, seq_len = arrays
        item, length = paddle.to_tensor(hist_item), paddle.to_tensor(seq_len)
        z, a = (one.numpy().astype(np.float64) for one in model.route(item, length))
        live = model.live_interests(length).numpy()
        rows = model.item_side(model.item_table(item)).numpy().astype(np.float64)
        self.users = []
        for u, n in enumerate(seq_len):
            self.users.append((rows[u, :n], list(hist_item[u, :n]), z[u, live[u]], a[u, live[u], :n]))

    def __iter__(self):
        return iter(self.users)


def positives(a):
    return [i for i in range(len(a)) if a[i] > 1 / len(a)]


def contrast(users, with_others=True):
    terms = []
    for u, (x, ids, z, a) in enumerate(users):
        others = [
            row
            for v, (rows, other_ids, _, _) in enumerate(users)
            for row, item in zip(rows, other_ids, strict=True)
            if with_others and v != u and item not in ids
        ]
        for k in range(len(z)):
            chosen = positives(a[k])
            against = (
                [x[i] for i in range(len(x)) if i not in chosen] + [z[j] for j in range(len(z)) if j != k] + others
            )
            denominator = sum(np.exp(z[k] @ n / TAU) for n in against)
            for i in chosen:
                numerator = np.exp(z[k] @ x[i] / TAU)
                terms.append(-np.log(numerator / (numerator + denominator)))
    return np.mean(terms) if terms else 0.0


def attend(users):
    terms = [-(a[k] @ np.log(softmax(x @ z[k]))) for x, _, z, a in users if len(x) for k in range(len(z))]
    return np.mean(terms) if terms else 0.0


def construct(users, model):
    w4, w3, w, w5 = (
        one.weight.numpy().astype(np.float64)
        for one in (getattr(model.re_construct, name) for name in ("upsample", "hidden", "weigh", "output"))
    )
    terms = []
    for x, _, z, a in users:
        for k in range(len(z)):
            c = (z[k] @ w4).reshape(-1, D)[: len(x)]
            for j in positives(a[k]):
                beta = softmax(np.array([w[:, j] @ np.tanh(row @ w3) for row in c]))
                made = sum(beta[i] * (c[i] @ w5) for i in range(len(c)))
                terms.append(((made - x[j]) ** 2).sum())
    return np.mean(terms) if terms else 0.0


every_batch = pytest.mark.parametrize(
    "arrays", [batch(0), batch(1), batch(2, LENGTHS[:1]), batch(3, LENGTHS[4:]), batch(4, LENGTHS[5:])], ids=range(5)
)
every_option = pytest.mark.parametrize(
    "options", [{}, {"dynamic_interest_num": True}, {"similarity": "cosine"}], ids=str
)


@every_batch
@every_option
def test_re_contrast_by_hand(arrays, options):
    got, model = term_of(arrays, "contrast", **options)  # 128 is more than all behaviours: all are drawn
    assert got == pytest.approx(contrast(list(Users(model, arrays))), rel=1e-3, abs=1e-4)


@every_batch
def test_re_contrast_without_others(arrays):
    got, model = term_of(arrays, "contrast", re4_negatives=0)
    assert got == pytest.approx(contrast(list(Users(model, arrays)), with_others=False), rel=1e-3, abs=1e-4)


@every_batch
@every_option
def test_re_attend_by_hand(arrays, options):
    got, model = term_of(arrays, "attend", **options)
    assert got == pytest.approx(attend(list(Users(model, arrays))), rel=1e-3, abs=1e-4)


@every_batch
@pytest.mark.parametrize("options", [{}, {"dynamic_interest_num": True}, {"maxlen": T + 2}], ids=str)
def test_re_construct_by_hand(arrays, options):
    got, model = term_of(arrays, "construct", **options)
    assert got == pytest.approx(construct(list(Users(model, arrays)), model), rel=1e-3, abs=1e-4)


def test_weights_multiply_and_add_up():
    arrays, weights = batch(), {"contrast": 0.3, "attend": 2.0, "construct": 0.7}
    model = build(**{f"re4_{name}_weight": weight for name, weight in weights.items()})
    want = sum(weight * term_of(arrays, name)[0] for name, weight in weights.items())
    assert float(loss_of(model, arrays)) - float(loss_of(build(), arrays)) == pytest.approx(want, rel=1e-3)


def test_a_term_of_weight_0_is_not_computed(monkeypatch):
    def never(*args):
        raise AssertionError("computed")

    monkeypatch.setattr("models.re4.re_contrast", never)
    monkeypatch.setattr("models.re4.re_attend", never)
    monkeypatch.setattr("models.layers.backward_flow.ReConstruct.loss", never)
    assert np.isfinite(float(loss_of(build(), batch())))
    for name in ("contrast", "attend", "construct"):
        with pytest.raises(AssertionError, match="computed"):
            loss_of(build(**{f"re4_{name}_weight": 1.0}), batch())


@pytest.mark.parametrize("count", [1, 4, 9, 100])
def test_behaviours_are_drawn_once_each_and_before_padding(count):
    mask = paddle.to_tensor((np.arange(T) < LENGTHS[:, None]).astype("float32"))
    paddle.seed(0)
    drawn = [draw_behaviours(mask, count).numpy() for _ in range(300)]
    real = mask.numpy().flatten() > 0
    for one in drawn:
        assert len(one) == len(set(one)) == min(count, B * T)
        assert real[one].sum() == min(count, real.sum())
    if count < real.sum():
        assert {place for one in drawn for place in one} == set(np.flatnonzero(real))


@pytest.mark.parametrize("name", ["contrast", "attend", "construct"])
def test_gradient_is_that_of_finite_differences(name):
    """By the interests' map W2, which does not move the attention."""
    arrays = batch()
    model, bare = build(**{f"re4_{name}_weight": 1.0}), build()
    weight = model.extractor.value.weight
    loss_of(model, arrays).backward()
    loss_of(bare, arrays).backward()
    gradient = weight.grad.numpy() - bare.extractor.value.weight.grad.numpy()
    start, step = weight.numpy(), 1e-3
    for place in [(0, 0), (1, 2), (3, 1)]:
        values = []
        for sign in (1, -1):
            moved = start.copy()
            moved[place] += sign * step
            model.extractor.value.weight.set_value(moved)
            users = list(Users(model, arrays))
            by_hand = {"contrast": contrast, "attend": attend, "construct": lambda them: construct(them, model)}[name]
            values.append(by_hand(users))
        assert gradient[place] == pytest.approx((values[0] - values[1]) / (2 * step), rel=2e-2, abs=2e-3)


def test_re_attend_teaches_the_interests_and_not_the_attention():
    interests, item_eb, attention = (paddle.rand(shape) for shape in ([2, K, D], [2, T, D], [2, K, T]))
    for one in (interests, attention):
        one.stop_gradient = False
    re_attend(interests, item_eb, attention, paddle.ones([2, T]), paddle.ones([2, K], dtype="bool")).backward()
    assert interests.grad.numpy().any()
    assert attention.grad is None


@every_batch
def test_every_gradient_is_finite_and_padding_gets_none(arrays):
    model = build(
        re4_contrast_weight=1.0, re4_attend_weight=1.0, re4_construct_weight=1.0, re4_temperature=0.02, negatives="full"
    )
    hist_item, target_item, seq_len = map(paddle.to_tensor, arrays)
    hist_eb, *rest = model.look_up(hist_item, target_item, seq_len)
    hist_eb = hist_eb.detach()
    hist_eb.stop_gradient = False
    loss = model.loss_from_rows(hist_eb, *rest)
    loss.backward()
    assert np.isfinite(float(loss))
    padding = np.arange(T) >= arrays[2][:, None]
    assert not hist_eb.grad.numpy()[padding].any()
    assert all(np.isfinite(one.grad.numpy()).all() for one in [hist_eb, *model.parameters()] if one.grad is not None)


def test_inference_does_without_the_backward_flows():
    model, other = build(re4_contrast_weight=1.0), build()
    for one in other.re_construct.parameters():
        one.set_value(paddle.full(one.shape, float("nan")))
    model.eval(), other.eval()
    hist_item, _, seq_len = map(paddle.to_tensor, batch())
    interests, attention = model.route(hist_item, seq_len)
    np.testing.assert_array_equal(interests.numpy(), other(hist_item, seq_len).numpy())
    interests.sum().backward()
    assert all(one.grad is None for one in model.re_construct.parameters())
    np.testing.assert_allclose(
        interests.numpy(),
        (attention @ model.item_table(hist_item) @ model.extractor.value.weight).numpy(),
        atol=1e-6,
    )


def test_an_export_does_without_the_backward_flows(tmp_path):
    model = build(embedding_dim=32)
    save_tower(model, tmp_path / "user_tower")
    forward = [one for name, one in model.named_parameters() if "re_construct" not in name]
    size = sum(4 * one.size for one in forward)
    assert size < (tmp_path / "user_tower.pdiparams").stat().st_size < size + 4000  # 4,000 bytes of headers
    assert sum(4 * one.size for one in model.re_construct.parameters()) > 20_000
