"""Dynamic routing as one operator with a gradient of its own: one compiled pass each way.

The plain formulas are in `models.layers.capsule`.
"""

import numpy as np
import paddle
from paddle.autograd import PyLayer

from models.layers.compiled import array, tensor


class Routing(PyLayer):
    """Interests `[B, K, D]` and the coupling `[B, K, T]` of all rounds; the coupling is constant going back."""

    @staticmethod
    def forward(ctx, item_eb, weight, mask, logits, rounds):
        """Behaviours `[B, T, D]`, S `[M, D, D]`, mask `[B, T]`, first logits `[B, K, T]`; M is 1 or K."""
        from models.layers import routing_kernels

        matrices = array(weight)
        ctx.transposed = np.ascontiguousarray(matrices.transpose(0, 2, 1))
        grams = np.matmul(matrices, ctx.transposed)
        own = (array(one) for one in (mask, logits))
        interests, *ctx.kept = routing_kernels.route(array(item_eb), matrices, grams, *own, rounds)
        return tensor(interests), tensor(ctx.kept[0])

    @staticmethod
    def backward(ctx, gradient, _):
        """Gradients by behaviours and by S."""
        from models.layers import routing_kernels

        coupling, pooled, capsule = ctx.kept
        by_capsule, by_item = routing_kernels.route_back(array(gradient), coupling, capsule, ctx.transposed)
        pooled, by_capsule = (tensor(one) for one in (pooled, by_capsule))  # [B, K, D]
        if len(ctx.transposed) == 1:
            by_weight = paddle.matmul(pooled.flatten(0, 1), by_capsule.flatten(0, 1), transpose_x=True).unsqueeze(0)
        else:
            by_weight = paddle.matmul(pooled.transpose([1, 2, 0]), by_capsule.transpose([1, 0, 2]))  # [K, D, D]
        return tensor(by_item), by_weight
