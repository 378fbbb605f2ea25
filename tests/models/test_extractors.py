import numpy as np
import paddle
import pytest
from reference import golden, softmax

from models.layers.read_out import LabelAwareAttention
from models.layers.self_attention import SelfAttention


def attention_of(case):
    net = SelfAttention(hidden_size=8, seq_len=7, interest_num=4)
    weight = {
        key.removeprefix("weight."): paddle.to_tensor(case[key].astype("float32")) for key in case if "weight." in key
    }
    net.set_state_dict(
        {
            "position": weight["position_embedding"],
            "linear1.weight": weight["linear1.0.weight"].t(),
            "linear2.weight": weight["linear2.weight"].t(),
        }
    )
    item_eb = paddle.to_tensor(case["weight.embeddings.weight"][case["item_ids"]].astype("float32"))
    return net, item_eb, paddle.to_tensor(case["mask"].astype("float32"))


@pytest.mark.parametrize("name", ["comirec_sa", "remi"])  # which share it
def test_self_attention_agrees_with_the_public_code(name):
    case = golden(name)
    net, item_eb, mask = attention_of(case)
    interests, attention = net.route(item_eb, mask)
    np.testing.assert_allclose(interests.numpy(), case["interests"], atol=1e-5)
    np.testing.assert_allclose(attention.numpy(), case["attention"], atol=1e-5)


def test_hard_read_out_agrees_with_the_public_code():
    case = golden("comirec_sa")
    interests = paddle.to_tensor(case["interests"].astype("float32"))
    target = paddle.to_tensor(case["weight.embeddings.weight"][case["target"]].astype("float32"))
    live = paddle.ones(interests.shape[:2], dtype="bool")
    got = LabelAwareAttention()(interests, target.unsqueeze(1), live).squeeze(1)
    np.testing.assert_allclose(got.numpy(), case["readout"], atol=1e-5)


def test_self_attention_of_an_empty_history_is_zero_and_of_padding_nothing():
    net = SelfAttention(hidden_size=4, seq_len=3, interest_num=2)
    item_eb = paddle.randn([2, 3, 4])
    interests, attention = net.route(item_eb, paddle.to_tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0]]))
    assert not interests[0].numpy().any()
    np.testing.assert_allclose(attention.numpy().sum(axis=2), [[0, 0], [1, 1]], atol=1e-6)
    assert not attention.numpy()[:, :, 2].any()


SCORES = [0.0, 0.3, -0.3, 100.0, -100.0]


def power(x, p):
    return float(np.sign(x) * np.exp(min(p * np.log(max(abs(x), 1e-6)), 80.0)))


@pytest.mark.parametrize("p", [0, 0.5, 1, 2, 50, np.inf])
@pytest.mark.parametrize("first", SCORES)
@pytest.mark.parametrize("second", SCORES)
def test_read_out_by_hand(p, first, second):
    """Interests along two axes, so that scores are what we choose; the third is dead and would win."""
    interests = paddle.to_tensor([[[first, 1.0, 0.0], [second, 0.0, 1.0], [1000.0, 0.0, 0.0]]], stop_gradient=False)
    target = paddle.to_tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], stop_gradient=False)  # the second one beside it
    user = LabelAwareAttention(pow_p=p)(interests, target, paddle.to_tensor([[True, True, False]]))
    if p == 0:
        weight = np.array([0.5, 0.5])
    elif p == np.inf:
        weight = np.array([1.0, 0.0]) if first >= second else np.array([0.0, 1.0])
    else:
        weight = softmax(np.array([power(first, p), power(second, p)]))
    want = weight[0] * np.array([first, 1, 0]) + weight[1] * np.array([second, 0, 1])
    np.testing.assert_allclose(user.numpy()[0, 0], want, rtol=1e-4, atol=1e-5)
    user[:, 0].sum().backward()
    assert np.isfinite(interests.grad.numpy()).all()
    assert target.grad is None or np.isfinite(target.grad.numpy()).all()
    assert not interests.grad.numpy()[0, 2].any()
    if p == np.inf:
        np.testing.assert_array_equal(interests.grad.numpy()[0, :2].any(axis=1), weight > 0)
        assert target.grad is None
