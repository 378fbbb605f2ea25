"""A loss over sampled scores as one operator with a gradient of its own: three products and one compiled pass.

The plain formulas are in `models.losses.objective`.
"""

import numpy as np
import paddle
from paddle.autograd import PyLayer

from models.layers.compiled import array, tensor


class SampledLoss(PyLayer):
    """Loss `[B]` of users and targets `[B, D]` against candidates `[n, D]`."""

    @staticmethod
    def forward(ctx, user, target_eb, candidate_eb, target_item, candidate_item, kernel, correction, shape):
        """By `kernel`, the name of one in `models.losses.kernels`; `shape` is its third argument.

        `correction` `[B]`, or 0.0, is taken from the positive.
        """
        from models.losses import kernels

        score = paddle.matmul(user, candidate_eb, transpose_y=True)  # [B, n]
        positive = (user * target_eb).sum(axis=1).numpy() - np.float32(correction)
        ids = (item.numpy().astype(np.int32) for item in (target_item, candidate_item))
        loss, slope = getattr(kernels, kernel)(array(score), positive, np.float32(shape), *ids)
        ctx.save_for_backward(user, target_eb, candidate_eb, score, tensor(slope))
        return tensor(loss)

    @staticmethod
    def backward(ctx, gradient):
        """Gradients by user, target and candidate."""
        user, target_eb, candidate_eb, score, slope = ctx.saved_tensor()
        gradient = gradient.unsqueeze(1)  # [B, 1]
        pull = gradient * slope.unsqueeze(1)
        by_user = paddle.matmul(score, candidate_eb) * gradient + target_eb * pull
        return by_user, user * pull, paddle.matmul(score, user * gradient, transpose_x=True)
