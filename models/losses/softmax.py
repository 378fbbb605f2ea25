"""Softmaxes of losses as one operator each, whose gradients are made while the loss is: few passes over the scores."""

import paddle
from paddle import nn
from paddle.autograd import PyLayer

NEVER = -1e30  # a score that has no share, whose multiples are still numbers


class LogMass(PyLayer):
    """`log Σ_j exp(s_j)` of each user's scores, `[B]`.

    With `s = bias + user · candidates`; going back, no pass over the scores is made but the products.
    """

    @staticmethod
    def forward(ctx, user, candidate_eb, bias):
        """Users `[B, D]`, candidates `[n, D]`, and a constant added to the scores `[B, n]`."""
        mass, slope = _log_sum_exp(paddle.addmm(bias, user, candidate_eb.t()))
        ctx.save_for_backward(user, candidate_eb, slope)
        return mass

    @staticmethod
    def backward(ctx, gradient):
        """Gradients by users and candidates."""
        user, candidate_eb, slope = ctx.saved_tensor()
        gradient = gradient.unsqueeze(1)  # [B, 1]
        by_user = paddle.matmul(slope, candidate_eb) * gradient
        return by_user, paddle.matmul(slope, user * gradient, transpose_x=True)


class SoftCrossEntropy(PyLayer):
    """`-Σ_j p_j log softmax_j(s)` of each row's scores s and labels p, which sum to 1: `[B, n]` both to `[B]`."""

    @staticmethod
    def forward(ctx, score, label):
        """The labels are constant."""
        total, share = _log_sum_exp(score)
        loss = total - (label * score).sum(axis=1)
        ctx.save_for_backward(share.subtract_(label))
        return loss

    @staticmethod
    def backward(ctx, gradient):
        """The gradient by the scores."""
        (slope,) = ctx.saved_tensor()
        return slope * gradient.unsqueeze(1)


def _log_sum_exp(score):
    """`log Σ_j exp(s_j)`, `[B]`, and its gradient by the scores, the softmax, `[B, n]`.

    By the largest share, which is at least 1/n: Paddle's own logsumexp costs ten exponentials on a CPU.
    """
    best, share = score.argmax(axis=1, keepdim=True), nn.functional.softmax(score)
    top, largest = (paddle.take_along_axis(one, best, axis=1) for one in (score, share))
    return (top - paddle.log(largest)).squeeze(1), share
