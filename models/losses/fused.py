"""A mean loss over sampled scores as a compiled pass. The plain formulas are in `models.losses.objective`."""

import numpy as np


def sampled_loss(user, target_eb, candidate_eb, target, candidate, temperature, kernel, correction, shape):
    """Mean over the targets that are there of their loss against the candidates, a scalar; see `Pass`.

    Args:
        user, target_eb, candidate_eb: `[B, M, D]`, `[B, M, D]`, `[n, D]`.
        target, candidate: ids, `[B, M]`, 0 where one is missing, and `[n]`.
        temperature: divides the scores.
        kernel: the name of one in `models.losses.kernels`.
        correction: taken from the positives' scores, `[B·M]`.
        shape: what the kernel takes after it.
    """
    from models.losses import kernels

    own, positive_eb = (one.reshape(-1, one.shape[-1]) for one in (user, target_eb))  # [B·M, D]
    target, candidate = (one.ravel().astype(np.int32) for one in (target, candidate))
    present = target > 0
    share = present.astype(np.float32) / np.float32(max(present.sum(), 1))
    step = (correction, np.float32(shape), target, candidate, share, np.float32(1.0 / temperature))
    loss, slope, score, by_user = getattr(kernels, kernel)(own, positive_eb, candidate_eb, *step)

    def back(gradient):
        by_target = gradient * slope[:, None] * own
        by_candidate = kernels.by_candidate(score, gradient * own)
        return (gradient * by_user).reshape(user.shape), by_target.reshape(user.shape), by_candidate

    return (np.asarray(loss.sum()),), back
