"""A mean loss over sampled scores as a compiled pass: three products and one kernel.

The plain formulas are in `models.losses.objective`.
"""

import numpy as np
import paddle

from models.layers.compiled import array, tensor


def sampled_loss(user, target_eb, candidate_eb, target, candidate, temperature, kernel, correction, shape):
    """Mean over the targets that are there of their loss against the candidates, a scalar; see `Pass`.

    Args:
        user, target_eb, candidate_eb: `[B, M, D]`, `[B, M, D]`, `[n, D]`.
        target, candidate: ids, `[B, M]`, 0 where one is missing, and `[n]`.
        temperature: divides the scores.
        kernel: the name of one in `models.losses.kernels`.
        correction: taken from the positives' scores, `[B·M]` or a number.
        shape: the kernel's third argument.
    """
    from models.losses import kernels

    own, positive_eb = (one.reshape(-1, one.shape[-1]) for one in (user, target_eb))  # [B·M, D]
    target, candidate = (one.ravel().astype(np.int32) for one in (target, candidate))
    present, scale = target > 0, np.float32(1.0 / temperature)
    share = present.astype(np.float32) / np.float32(max(present.sum(), 1))
    positive = np.where(present, scale * (own * positive_eb).sum(axis=1) - np.float32(correction), np.float32(0.0))
    candidates = tensor(candidate_eb)
    score = paddle.matmul(tensor(own), candidates, transpose_y=True)  # [B·M, n]
    step = (array(score), positive, np.float32(shape), target, candidate, share, scale)
    loss, slope = getattr(kernels, kernel)(*step)  # score holds the gradient now

    def back(gradient):
        pull = gradient * slope[:, None]  # [B·M, 1]
        by_user = gradient * array(paddle.matmul(score, candidates)) + pull * positive_eb
        by_candidate = array(paddle.matmul(score, tensor(gradient * own), transpose_x=True))
        return by_user.reshape(user.shape), (pull * own).reshape(user.shape), by_candidate

    return (np.asarray(loss.sum()),), back
