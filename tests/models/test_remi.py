import numpy as np
import paddle
import pytest
from reference import golden

from models.losses.objective import create_objective
from models.remi import REMI, routing_variance

CASE = golden("remi")


def tensor(name):
    return paddle.to_tensor(CASE[name].astype("float32"))


def rows(ids):
    return paddle.to_tensor(CASE["weight.embeddings.weight"][CASE[ids]].astype("float32"))


def test_routing_regularization_agrees_with_the_public_code():
    attention = tensor("attention")
    got = routing_variance(attention, paddle.ones(attention.shape[:2], dtype="bool"), CASE["interests"].shape[2])
    assert float(got.sum()) == pytest.approx(float(CASE["routing_regularization"]), abs=1e-5)


def test_hard_negatives_agree_with_the_public_code():
    negatives, beta = CASE["negatives"].astype(int), float(CASE["beta"])
    objective = create_objective(
        negatives="uniform", item_num=29, neg_samples=5, log_q=True, temperature=1.0, hard_negative_beta=beta
    )
    target = paddle.to_tensor(CASE["target"].astype(int))
    got = objective(tensor("readout"), rows("target"), target, rows("negatives"), paddle.to_tensor(negatives))
    np.testing.assert_allclose(got.numpy(), CASE["ihn_loss"], atol=1e-5)


def batch():
    seq_len = paddle.to_tensor([5, 3, 1, 0])
    hist_item = paddle.to_tensor([[4, 2, 9, 2, 7], [1, 2, 3, 0, 0], [8, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    return hist_item, paddle.to_tensor([3, 5, 6, 9]), seq_len


def build(**options):
    paddle.seed(1)
    return REMI(item_count=30, embedding_dim=8, maxlen=5, neg_samples=7, **options)


def loss_of(model):
    paddle.seed(2)
    return float(model.loss(*batch()))


@pytest.mark.parametrize("dynamic", [False, True])
def test_loss_holds_the_mean_variance_of_live_interests_attention(dynamic):
    model = build(dynamic_interest_num=dynamic, routing_regularization=50.0)
    bare = build(dynamic_interest_num=dynamic, routing_regularization=0.0)
    hist_item, _, seq_len = batch()
    attention, live = model.route(hist_item, seq_len)[1].numpy(), model.live_interests(seq_len).numpy()
    terms = []
    for user in range(4):
        variances = [((a - a.mean()) ** 2).sum() / 8 for a in attention[user][live[user]].astype(np.float64)]
        terms.append(np.sum(np.square(variances)))
    assert loss_of(model) - loss_of(bare) == pytest.approx(50.0 * np.mean(terms), rel=1e-4)


def test_hard_negatives_are_on_unless_the_configuration_says_otherwise():
    assert build().objective.beta == build(hard_negative_beta=None).objective.beta == 1.0
    assert build(hard_negative_beta=2.5).objective.beta == 2.5
    assert not hasattr(build(hard_negative_beta=0.0).objective, "beta")


def test_regularization_evens_the_attention_out():
    model = build(routing_regularization=12800.0)
    hist_item, target_item, seq_len = (one[:1] for one in batch())  # a full history: padding itself counts as uneven
    optimizer = paddle.optimizer.Adam(0.01, parameters=model.parameters(), lazy_mode=True)

    def variance():
        _, attention = model.route(hist_item, seq_len)
        return float(routing_variance(attention, model.live_interests(seq_len), 8).sum())

    before = variance()
    for _ in range(60):
        model.loss(hist_item, target_item, seq_len).backward()
        optimizer.step()
        optimizer.clear_grad()
    assert variance() < 0.5 * before
