"""REMI: rethinking multi-interest learning for candidate matching (Xie et al., RecSys 2023)."""

import paddle

from models.comirec_sa import ComiRecSA


class REMI(ComiRecSA):
    """ComiRec-SA with interest-aware hard negatives and routing regularisation (sections 4.1 and 4.2).

    Its negatives are uniform in the public code: `negatives: uniform`, see `HardNegativeSoftmax`.

    Args:
        routing_regularization: weight of `routing_variance`. Public codes sum that over the batch: their weight 100 at
            batch 128 is 12,800 here.
        hard_negative_beta: see `HardNegativeSoftmax`; None: 1.
        options: what `ComiRecSA` takes.
    """

    def __init__(self, *, routing_regularization=12800.0, hard_negative_beta=None, **options):
        super().__init__(hard_negative_beta=1.0 if hard_negative_beta is None else hard_negative_beta, **options)
        self.routing_regularization = routing_regularization

    def regularize(self, loss, interests, coupling, hist_eb, hist_item, seq_len):
        """The loss and, weighted, how far attention is from even, the batch's mean."""
        loss = super().regularize(loss, interests, coupling, hist_eb, hist_item, seq_len)
        if not self.routing_regularization:
            return loss
        variance = routing_variance(coupling, self.live_interests(seq_len), hist_eb.shape[2])
        return loss + self.routing_regularization * variance.mean()


def routing_variance(attention, live, size):
    """`‖diag(Cov_i(a_k))‖²` of each user: `[B, K, T]`, live mask `[B, K]` to `[B]`.

    As the public code computes it: `sum_k (sum_i (a_ki - mean_i a_ki)² / D)²`, i over all T positions, padded ones
    included, and D, the `size` of an interest, in place of T.
    """
    centred = attention - attention.mean(axis=2, keepdim=True)
    variance = paddle.square(centred).sum(axis=2) / size * live.astype(attention.dtype)  # [B, K]
    return paddle.square(variance).sum(axis=1)
