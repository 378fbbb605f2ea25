import numpy as np
import paddle
import pytest
from reference import INTERESTS, golden, route_user, softmax, transform

from models import CapsuleNetwork
from models.layers.functional import squash

D, T, B = 6, 9, 5
LENGTHS = [9, 7, 4, 2, 1]


def network(kind, **options):
    paddle.seed(kind)
    return CapsuleNetwork(D, T, kind, INTERESTS, **options)


def matrices(net, kind):
    """The network's weights as matrices that are applied from the left."""
    if kind == 2:
        return net.w.numpy().astype(np.float64).reshape(T, INTERESTS, D, D)
    weight = net.linear.weight.numpy().astype(np.float64)
    return weight.T if kind == 0 else weight.T.reshape(INTERESTS, D, D)


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    mask = (np.arange(T) < np.array(LENGTHS)[:, None]).astype("float32")
    return rng.normal(size=(B, T, D)).astype("float32"), mask, rng.normal(size=(B, INTERESTS, T)).astype("float32")


def live_num(length, dynamic):
    return max(1, min(INTERESTS, length.bit_length() - 1)) if dynamic else INTERESTS


def expected(net, kind, item_eb, logits, *, rounds=3, power=1.0, dynamic=False, couplings=None):
    interests, coupling = np.zeros((B, INTERESTS, D)), np.zeros((B, INTERESTS, T))
    for u, n in enumerate(LENGTHS):
        e_hat = transform(kind, item_eb[u, :n].astype(np.float64), matrices(net, kind))
        given = None if couplings is None else couplings[u, :, :n]
        result = route_user(e_hat, logits[u, :, :n], live_num(n, dynamic), rounds, "interests", power, given)
        interests[u], coupling[u, :, :n] = result
    return interests, coupling


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("rounds", [1, 2, 3, 5])
@pytest.mark.parametrize("power", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("dynamic", [False, True])
def test_routing_is_algorithm_1(kind, rounds, power, dynamic):
    net = network(kind, routing_times=rounds, squash_power=power, dynamic_interest_num=dynamic)
    item_eb, mask, logits = inputs()
    interests, coupling = net.route(*map(paddle.to_tensor, (item_eb, mask, logits)))
    want = expected(net, kind, item_eb, logits, rounds=rounds, power=power, dynamic=dynamic)
    np.testing.assert_allclose(interests.numpy(), want[0], atol=2e-5)
    np.testing.assert_allclose(coupling.numpy(), want[1], atol=2e-5)


@pytest.mark.parametrize("name", ["capsule_type0", "capsule_type0_relu", "capsule_type1", "capsule_type2"])
def test_softmax_over_items_agrees_with_the_public_code(name):
    case = golden(name)
    kind = int(name[len("capsule_type")])
    relu = name.endswith("relu")
    net = CapsuleNetwork(8, 7, kind, INTERESTS, relu_layer=relu, routing_softmax="items")
    weights = {key.removeprefix("weight."): value.astype("float32") for key, value in case.items() if "weight." in key}
    state = {key: value if key == "w" else value.T for key, value in weights.items() if relu or "relu" not in key}
    state |= {key: value for key, value in net.state_dict().items() if key == "initial_logits"}  # none there
    net.set_state_dict({key: paddle.to_tensor(np.ascontiguousarray(value)) for key, value in state.items()})
    interests, _ = net.route(
        *(paddle.to_tensor(case[key].astype("float32")) for key in ("item_eb", "mask", "initial_logits"))
    )
    np.testing.assert_allclose(interests.numpy(), case["interests"], atol=1e-5)


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_gradient_treats_the_coupling_as_a_constant(kind):
    net = network(kind)
    item_eb, mask, logits = inputs()
    direction = np.random.default_rng(1).normal(size=(B, INTERESTS, D))
    leaf = paddle.to_tensor(item_eb, stop_gradient=False)
    interests, coupling = net.route(leaf, paddle.to_tensor(mask), paddle.to_tensor(logits))
    (interests * paddle.to_tensor(direction.astype("float32"))).sum().backward()

    def value(item_eb):
        held = expected(net, kind, item_eb, logits, rounds=1, couplings=coupling.numpy().astype(np.float64))
        return (held[0] * direction).sum()

    for u, i, d in [(0, 0, 0), (0, 8, 5), (1, 6, 2), (2, 3, 1), (4, 0, 4), (1, 7, 0), (4, 5, 3)]:
        step = np.zeros_like(item_eb, dtype=np.float64)
        step[u, i, d] = 1e-5
        slope = (value(item_eb + step) - value(item_eb - step)) / 2e-5
        assert leaf.grad.numpy()[u, i, d] == pytest.approx(slope, abs=2e-4)
    weight = net.w if kind == 2 else net.linear.weight
    assert np.abs(weight.grad.numpy()).sum() > 0


def test_couplings_of_a_behaviour_sum_to_one_over_live_interests():
    item_eb, mask, _ = inputs()
    net = network(0, dynamic_interest_num=True)
    interests, coupling = net.route(paddle.to_tensor(item_eb), paddle.to_tensor(mask))
    np.testing.assert_allclose(coupling.numpy().sum(axis=1), mask, atol=1e-6)
    for u, n in enumerate(LENGTHS):
        dead = live_num(n, dynamic=True)
        assert not interests.numpy()[u, dead:].any()
        assert not coupling.numpy()[u, dead:].any()


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("softmax_over", ["interests", "items"])
def test_padding_does_not_matter(kind, softmax_over):
    """With `items` padded positions share the softmax, as in the public code, so only their content must not matter."""
    item_eb, mask, logits = inputs()
    net = network(kind, routing_softmax=softmax_over, squash_power=0.5)
    other = np.where(mask[:, :, None] > 0, item_eb, 100.0)
    results = []
    for embedded in (item_eb, other):
        leaf = paddle.to_tensor(embedded.astype("float32"), stop_gradient=False)
        interests = net.route(leaf, paddle.to_tensor(mask), paddle.to_tensor(logits))[0]
        interests.sum().backward()
        assert not leaf.grad.numpy()[mask == 0].any()
        results.append(interests.numpy())
    if softmax_over == "interests":
        np.testing.assert_allclose(results[0], results[1], atol=1e-6)


def test_resample_draws_afresh_only_in_training():
    item_eb, mask, _ = inputs()
    feed = paddle.to_tensor(item_eb), paddle.to_tensor(mask)
    net = network(0)
    assert np.abs((net(*feed) - net(*feed)).numpy()).max() > 1e-3
    net.eval()
    np.testing.assert_array_equal(net(*feed).numpy(), net(*feed).numpy())
    fixed = network(0, routing_logits="fixed")
    np.testing.assert_array_equal(fixed(*feed).numpy(), fixed(*feed).numpy())


def test_buffer_of_logits_is_in_the_checkpoint_with_its_deviation():
    net = CapsuleNetwork(8, 400, 0, INTERESTS, routing_logits_std=5.0)
    assert "initial_logits" in net.state_dict()
    assert net.initial_logits.numpy().std() == pytest.approx(5.0, rel=0.1)


def test_shorter_history_than_seq_len_gives_the_same_interests():
    item_eb, mask, _ = inputs()
    for kind in (0, 1, 2):
        net = network(kind)
        net.eval()
        long = net(paddle.to_tensor(item_eb), paddle.to_tensor(mask)).numpy()
        short = net(paddle.to_tensor(item_eb[:, :4]), paddle.to_tensor(mask[:, :4])).numpy()
        np.testing.assert_allclose(long[2:], short[2:], atol=1e-6)


@pytest.mark.parametrize("power", [0.0, 0.3, 1.0])
def test_squash_is_finite_at_zero(power):
    zero = paddle.zeros([2, 3])
    zero.stop_gradient = False
    out = squash(zero, power)
    out.sum().backward()
    assert not out.numpy().any()
    assert np.isfinite(zero.grad.numpy()).all()


@pytest.mark.parametrize("length", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_squash_by_hand(length, power):
    z = paddle.to_tensor([0.0, length, 0.0])
    want = (length**2 / (1 + length**2)) ** power
    np.testing.assert_allclose(squash(z, power).numpy(), [0.0, want, 0.0], rtol=1e-4)


def test_empty_history_gives_finite_zero_interests():
    for kind in (0, 1, 2):
        interests = network(kind)(paddle.ones([1, T, D]), paddle.zeros([1, T])).numpy()
        assert not interests.any()


def test_reference_softmax_by_hand():
    np.testing.assert_allclose(softmax(np.log([1.0, 3.0])), [0.25, 0.75])


@pytest.mark.parametrize("bilinear_type", [0, 1, 2])
def test_matrices_near_the_identity_keep_items_near_themselves(bilinear_type):
    size = 64
    layer = CapsuleNetwork(size, 5, bilinear_type=bilinear_type, interest_num=3, near_identity=True)
    item = paddle.randn([7, 5, size])
    pooled = layer.transform(item).pool(paddle.ones([7, 3, 5]))  # [7, 3, D]
    cosine = paddle.nn.functional.cosine_similarity(pooled, item.sum(axis=1, keepdim=True), axis=2)
    assert 0.7 < float(cosine.min()) < float(cosine.max()) < 0.99
