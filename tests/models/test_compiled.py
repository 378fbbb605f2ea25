"""Compiled passes against the plain formulas that they stand for: values and gradients."""

import sys

import numpy as np
import paddle
import pytest

from models import MODELS
from models.base.fused_step import whole_step
from models.layers import compiled
from models.layers.capsule import CapsuleNetwork
from models.layers.passes import layers, position_routing, routing, self_attention
from models.layers.read_out import LabelAwareAttention
from models.layers.self_attention import SelfAttention
from models.layers.tower import ContextTower
from models.losses.objective import SampledSoftmax, create_objective
from tools.training.optimizers import row_ids, row_values

pytestmark = pytest.mark.extras
B, N, V, D, K, T = 7, 33, 12, 8, 3, 5  # more negatives than items: accidental hits in every row


def both(monkeypatch, compute):
    """What `compute` gives with and without compiled passes."""
    found = []
    for has in (True, False):
        monkeypatch.setattr(compiled, "ON", has)
        found.append(compute())
    return found


def with_gradients(function, *tensors, parameters=()):
    """The value of a layer's output, and gradients of its weighted sum by tensors and parameters."""
    leaves = [paddle.to_tensor(one, stop_gradient=False) for one in tensors]
    value = function(*leaves)
    weight = paddle.to_tensor(np.random.default_rng(5).normal(size=value.shape).astype("float32"))
    return [value.numpy(), *(one.numpy() for one in paddle.grad((value * weight).sum(), [*leaves, *parameters]))]


def close(one, other):
    for own, plain in zip(one, other, strict=True):
        np.testing.assert_allclose(own, plain, rtol=2e-5, atol=2e-6)


# Not larger: Paddle's own cross-entropy is never above 64.
@pytest.mark.parametrize("scale, targets", [(0.1, 1), (3.0, 1), (9.0, 1), (3.0, 3)])
@pytest.mark.parametrize(
    "options",
    [{}, {"log_q": False}, {"temperature": 0.2}, {"hard_negative_beta": 1.0}, {"hard_negative_beta": 0.4}],
    ids=str,
)
def test_the_sampled_loss(monkeypatch, options, scale, targets):
    rng = np.random.default_rng(1)
    shapes = (B, targets, D), (B, targets, D), (N, D)
    rows = [(scale * rng.normal(size=shape) / D).astype("float32") for shape in shapes]
    target, candidate = (paddle.to_tensor(rng.integers(1, V + 1, size)) for size in ((B, targets), (N,)))
    target[2:4, targets - 1] = 0  # missing
    options = {"log_q": True, "temperature": 1.0, **options}
    objective = create_objective(negatives="log_uniform", item_num=V, neg_samples=N, **options)

    def compute():
        return with_gradients(lambda user, own, other: objective.mean(user, own, target, other, candidate), *rows)

    close(*both(monkeypatch, compute))


def test_no_target_at_all(monkeypatch):
    rows = [np.ones(shape, "float32") for shape in ((2, 1, D), (2, 1, D), (3, D))]
    target, candidate = paddle.zeros([2, 1], "int64"), paddle.to_tensor([4, 4, 4])
    objective = create_objective(negatives="log_uniform", item_num=V, neg_samples=3, log_q=True, temperature=1.0)

    def compute():
        return with_gradients(lambda user, own, other: objective.mean(user, own, target, other, candidate), *rows)

    own, plain = both(monkeypatch, compute)
    assert not any(one.any() for one in (*own, *plain))


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_a_row_whose_candidates_are_all_its_target(monkeypatch, beta):
    rows = [np.full(shape, 0.5, "float32") for shape in ((1, 2, D), (1, 2, D), (3, D))]
    target, candidate = paddle.to_tensor([[4, 0]]), paddle.to_tensor([4, 4, 4])
    objective = create_objective(
        negatives="uniform", item_num=V, neg_samples=3, log_q=False, temperature=1.0, hard_negative_beta=beta
    )

    def compute():
        return with_gradients(lambda user, own, other: objective.mean(user, own, target, other, candidate), *rows)

    own, plain = both(monkeypatch, compute)
    assert own[0] == plain[0] == 0.0
    close(own, plain)


@pytest.mark.parametrize("negatives", [{}, {"hard_negative_beta": 1.0}], ids=str)
def test_what_is_no_number_stays_none(monkeypatch, negatives):
    rows = [np.ones(shape, "float32") for shape in ((2, 1, D), (2, 1, D), (3, D))]
    rows[0][1] = np.nan
    target, candidate = paddle.to_tensor([[4], [5]]), paddle.to_tensor([1, 2, 3])
    options = {"negatives": "uniform", "item_num": V, "neg_samples": 3, "log_q": False, "temperature": 1.0}
    objective = create_objective(**options, **negatives)

    def compute():
        return with_gradients(lambda user, own, other: objective.mean(user, own, target, other, candidate), *rows)

    for loss, by_user, *_ in both(monkeypatch, compute):
        assert np.isnan(loss)
        assert np.isnan(by_user).any(axis=(1, 2)).tolist() == [False, True]


@pytest.mark.parametrize("targets", [1, 3])
def test_the_hard_read_out(monkeypatch, targets):
    rng = np.random.default_rng(3)
    rows = [rng.normal(size=(B, count, D)).astype("float32") for count in (K, targets)]
    rows[0][1, 1:] = rows[0][1, :1]  # a tie
    rows[0][2, 1] = np.nan
    live = paddle.to_tensor(rng.random((B, K)) < 0.6)
    live[:, 0] = live[2, 1] = True
    read_out = LabelAwareAttention()

    def compute():
        user, gradient = with_gradients(lambda interests: read_out(interests, paddle.to_tensor(rows[1]), live), rows[0])
        assert np.isnan(user[2]).all()
        return [one[np.arange(B) != 2] for one in (user, gradient)]

    own, plain = both(monkeypatch, compute)
    close(own, plain)
    assert own[0].shape == (B - 1, targets, D)


@pytest.mark.parametrize("rounds", [1, 2, 3])
@pytest.mark.parametrize("bilinear_type", [0, 1, 2])
def test_routing(monkeypatch, bilinear_type, rounds):
    rng = np.random.default_rng(2)
    network = CapsuleNetwork(D, T + 1, bilinear_type, K, rounds)  # longer than the histories of this batch
    item_eb, logits = rng.normal(size=(B, T, D)).astype("float32"), rng.normal(size=(B, K, T)).astype("float32")
    mask = (np.arange(T) < rng.integers(1, T + 1, (B, 1))).astype("float32")
    mask[0] = 0.0  # an empty history
    item_eb[1] = 0.0
    mask[2:, 1], mask[:, T - 1] = 0.0, 0.0  # some users alone at a position, and nobody
    weights = network.parameters()
    monkeypatch.setattr(network, "first_logits", lambda batch, length: paddle.to_tensor(logits))

    def compute():
        known = paddle.to_tensor(mask)
        coupling = network.route(paddle.to_tensor(item_eb), known)[1].numpy()
        return [*with_gradients(lambda rows: network.route(rows, known)[0], item_eb, parameters=weights), coupling]

    calls = []
    name, function = ("position_routing", position_routing) if bilinear_type == 2 else ("routing", routing)
    monkeypatch.setattr(f"models.layers.capsule.{name}", counted(calls, function))
    own, plain = both(monkeypatch, compute)
    assert len(calls) == 2  # so one of both is compiled
    close(own, plain)


def counted(calls, function):
    def call(*args, **options):
        calls.append(args)
        return function(*args, **options)

    return call


@pytest.mark.parametrize("users", [B, 40])  # one block and several
def test_attention(monkeypatch, users):
    """Interests and attention have gradients both; histories may be empty and shorter than the longest."""
    rng = np.random.default_rng(2)
    layer = SelfAttention(hidden_size=D, seq_len=T + 2, interest_num=K)
    item_eb, weight = (rng.normal(size=(users, length, D)).astype("float32") for length in (T, K))
    mask = (np.arange(T) < rng.integers(0, T + 1, (users, 1))).astype("float32")
    mask[0], mask[1], mask[16:32] = 0.0, 1.0, 0.0  # nobody in a whole block

    def both_results(rows):
        interests, attention = layer.route(rows, paddle.to_tensor(mask))
        return paddle.concat([interests, attention * paddle.to_tensor(weight)[:, :, :1]], axis=2)

    calls = []
    monkeypatch.setattr("models.layers.self_attention.self_attention", counted(calls, self_attention))
    own, plain = both(monkeypatch, lambda: with_gradients(both_results, item_eb, parameters=layer.parameters()))
    assert len(calls) == 1
    close(own, plain)


@pytest.mark.parametrize("sizes", [[], [6], [6, 4]], ids=str)
def test_a_tower(sizes):
    layer = ContextTower(interest_size=D, context_size=0, sizes=sizes)
    rng = np.random.default_rng(2)
    vector = rng.normal(size=(B, K, D)).astype("float32")
    plain = with_gradients(lambda rows: layer(rows, None), vector, parameters=layer.parameters())

    def tower(rows):
        return compiled.Pass.apply(layers, (), rows, *layer.parameters())[0]

    close(with_gradients(tower, vector, parameters=layer.parameters()), plain)


GRADIENT_MODELS = sorted(name for name, model in MODELS.items() if hasattr(model, "loss"))
WAYS = [  # most keep a step from being one pass, which must forget none of them
    {}, {"encoder": "transformer"}, {"similarity": "cosine"}, {"interest_spread_weight": 0.3}, {"negatives": "full"},
    {"pow_p": 2.0}, {"hard_negative_beta": 1.0}, {"temperature": 0.2}, {"loss": "gbce"}, {"targets": 3},
    {"dynamic_interest_num": True}, {"routing_softmax": "items"},
]  # fmt: skip


def step_of(model, options, monkeypatch):
    """Loss and gradients of a model's step, compiled and plain, and how often it was one pass."""
    targets = options.get("targets", 1)
    options = {name: value for name, value in options.items() if name != "targets"}
    paddle.seed(1)
    model = MODELS[model](item_count=V + 1, embedding_dim=D, maxlen=T, **options)
    model.train()
    rng = np.random.default_rng(4)
    hist_item, target_item = (paddle.to_tensor(rng.integers(1, V + 1, shape)) for shape in ((B, T), (B, targets)))
    seq_len = paddle.to_tensor(rng.integers(1, T + 1, B))
    target_item[0, 1:] = 0
    calls = []
    monkeypatch.setattr("models.base.fused_step.whole_step", counted(calls, whole_step))

    def compute():
        paddle.seed(7)
        loss = model.loss(hist_item, target_item, seq_len)
        loss.backward()
        found = [loss.numpy(), *(dense(one) for one in model.parameters())]
        model.clear_gradients()
        return found

    return *both(monkeypatch, compute), len(calls)


def dense(parameter):
    """A parameter's gradient `[…]`, summed over the rows of a sparse one."""
    if parameter.grad is None:
        return np.zeros(parameter.shape)
    if not parameter.grad.is_selected_rows():
        return parameter.grad.numpy()
    whole = np.zeros(parameter.shape)
    np.add.at(whole, row_ids(parameter.grad), row_values(parameter.grad))
    return whole


@pytest.mark.parametrize("model", GRADIENT_MODELS)
def test_a_step_of_each_model(monkeypatch, model):
    own, plain, fused = step_of(model, {}, monkeypatch)
    close(own, plain)
    assert fused == (model in ("mind", "shared_capsule", "comirec_dr", "comirec_sa", "remi", "youtube_dnn"))


@pytest.mark.parametrize("options", WAYS, ids=str)
def test_a_step_in_each_way(monkeypatch, options):
    own, plain, fused = step_of("mind", options, monkeypatch)
    close(own, plain)
    assert fused == (options.keys() <= {"targets", "hard_negative_beta", "temperature"})


def test_a_tower_is_in_the_pass(monkeypatch):
    own, plain, fused = step_of("youtube_dnn", {"tower_sizes": [6]}, monkeypatch)
    close(own, plain)
    assert fused


@pytest.mark.parametrize("model", ["mind", "comirec_dr", "comirec_sa"])
def test_any_number_of_threads_gives_the_same_bits(monkeypatch, model):
    numba = pytest.importorskip("numba")
    monkeypatch.setattr(sys.modules[__name__], "B", 200)  # several blocks of rows
    before = numba.get_num_threads()
    found = []
    try:
        for threads in (1, before):
            numba.set_num_threads(threads)
            found.append(step_of(model, {}, monkeypatch)[0])
    finally:
        numba.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


class Doubled(SelfAttention):
    def route(self, item_eb, mask):
        interests, attention = super().route(item_eb, mask)
        return 2.0 * interests, attention


class DoubledReadOut(LabelAwareAttention):
    def forward(self, interests, target_eb, live):
        return 2.0 * super().forward(interests, target_eb, live)


class DoubledTower(ContextTower):
    def forward(self, interests, context_eb):
        return 2.0 * super().forward(interests, context_eb)


class DoubledLoss(SampledSoftmax):
    def forward(self, *step):
        return 2.0 * super().forward(*step)


class DoubledMean(SampledSoftmax):
    def mean(self, *step):
        return 2.0 * super().mean(*step)


def regularize(self, loss, interests, coupling, hist_eb, hist_item, seq_len):
    return loss + interests.sum()


@pytest.mark.parametrize(
    "model, part, own",
    [
        ("comirec_sa", "extractor", Doubled), ("mind", "read_out", DoubledReadOut),
        ("mind", None, regularize), ("remi", None, regularize),
        ("youtube_dnn", "user_tower", DoubledTower),
        ("mind", "objective", DoubledLoss), ("mind", "objective", DoubledMean),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)  # fmt: skip
def test_what_is_overridden_is_not_passed_over(monkeypatch, model, part, own):
    """A part of a user's own, derived from one that is compiled, is what trains."""

    class Own(MODELS[model]):
        def __init__(self, **options):
            super().__init__(**options)
            if part:
                getattr(self, part).__class__ = own

    if not part:
        Own.regularize = own
    monkeypatch.setitem(MODELS, "own", Own)
    found, plain, fused = step_of("own", {}, monkeypatch)
    close(found, plain)
    assert not fused
    assert abs(found[0] - step_of(model, {}, monkeypatch)[0][0]) > 1e-3  # so it does change the loss
