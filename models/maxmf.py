"""MaxMF: several vectors a user with max scoring (Weston, Weiss and Yee, RecSys 2013)."""

import paddle
from paddle import nn

from models.base.fit_libraries import libraries
from models.base.keywords import flat_options
from models.base.options import Sizes
from models.layers.functional import l2_normalize, length_mask
from models.wals import WALS, LeastSquares

ROUNDS = 3  # of assignment and user step at inference
BATCH = 1024  # pieces of training users that are assigned at once


@flat_options
class MaxMF(WALS):
    """The paper's max model, fitted by weighted alternating least squares.

        f(u, i) = max_k v_uk · y_i                                          the max model of section 2
        k(i)    = argmax_k v_uk · y_i                                       `assign`, i of the history
        v_uk    = user step of `WALS` over the i with k(i) = k              `user_step`

    Where it departs from the paper: that fits by a sampled ranking loss; here the cost is that of `WALS`, which is the
    case K = 1. After a fit of WALS come as many rounds again, each of two steps: every training user's items are
    assigned to the user's best vector, and each (user, k) with its items is a user of one round of WALS.

    Vectors depend on the history alone, for users in training and others. The first are K items of it that are far
    apart in direction, from the oldest on (`farthest_first`). Then, three times, items are assigned and vectors made
    of them; a user's other items count as not taken. An interest without items is zero. Training users longer than
    `maxlen` are cut into successive pieces, each a user.

    Args:
        interest_num: K, vectors a user.
    """

    def __init__(self, sizes: Sizes, squares: LeastSquares, *, interest_num=4):
        super().__init__(**vars(sizes), **vars(squares))
        self.interest_num = interest_num

    def fit(self, items):
        """Factorise as WALS, then with several vectors a user; arguments and errors as in `WALS.fit`."""
        modules = libraries("maxmf")
        self.sweep(modules, items.values, items.offsets, self.iterations)
        pieces = self.cut(items.offsets)
        values = paddle.to_tensor(items.values).astype("int64")
        for _ in range(self.iterations):
            owner = self.assign_all(values, *pieces)  # [E]
            order = owner.argsort(kind="stable")
            owner = owner[order]
            last = (owner[1:] != owner[:-1]).nonzero()[0]  # item of an interest; empty interests are left out
            offsets = [0, *(last + 1).tolist(), len(order)]
            self.sweep(modules, items.values[order], offsets, 1, self.item_table.weight.numpy())

    def cut(self, offsets):
        """First position and length of each piece of at most `maxlen` items, in order: `[P]` and `[P]`."""
        offsets = paddle.to_tensor(offsets).astype("int64")
        first, length = offsets[:-1], offsets[1:] - offsets[:-1]
        pieces = (length + self.maxlen - 1) // self.maxlen
        number = paddle.arange(int(pieces.sum())) - paddle.repeat_interleave(pieces.cumsum() - pieces, pieces)
        skipped = number * self.maxlen  # items of the user in earlier pieces
        rest = paddle.repeat_interleave(length, pieces) - skipped
        return paddle.repeat_interleave(first, pieces) + skipped, paddle.clip(rest, max=self.maxlen)

    @paddle.no_grad()
    def assign_all(self, values, start, length):
        """Which of all P·K interests each item belongs to, piece after piece: an array `[E]`."""
        owners = []
        for first in range(0, len(start), BATCH):
            begin, seq_len = start[first : first + BATCH], length[first : first + BATCH]
            step = paddle.arange(self.maxlen)
            index = paddle.clip(begin.unsqueeze(1) + step, max=len(values) - 1)  # [B, T]
            interest = self.route(values[index], seq_len)[1].argmax(axis=1)  # [B, T]
            piece = paddle.arange(first, first + len(begin)).unsqueeze(1)
            owners.append((piece * self.interest_num + interest)[step < seq_len.unsqueeze(1)])
        return paddle.concat(owners).numpy()

    def route_rows(self, hist_eb, seq_len, context_eb=None):
        """Interests `[B, K, D]` of rows `[B, T, D]`, and which item is whose, 0 or 1: `[B, K, T]`."""
        mask = length_mask(seq_len, hist_eb.shape[1])  # [B, T]
        interests = farthest_first(hist_eb, mask, self.interest_num)
        for _ in range(ROUNDS):
            coupling = assign(interests, hist_eb) * mask.unsqueeze(1)
            interests = self.user_step(hist_eb, coupling)
        return interests, coupling


def assign(interests, hist_eb):
    """Each item to the interest `[B, K, D]` with the largest inner product, ties to the lower: one-hot `[B, K, T]`."""
    best = paddle.matmul(hist_eb, interests, transpose_y=True).argmax(axis=2)  # [B, T]
    return nn.functional.one_hot(best, interests.shape[1]).transpose([0, 2, 1])


def farthest_first(hist_eb, mask, interest_num):
    """K directions of a history: the first item's, then each time that least like all chosen before, by cosine.

    Args:
        hist_eb: `[B, T, D]`.
        mask: `[B, T]`.
        interest_num: K.

    Returns:
        `[B, K, D]` of unit length; where a history has fewer directions, they repeat.
    """
    unit = l2_normalize(hist_eb)
    nearest = paddle.zeros_like(mask)  # likeness to the most alike that is chosen
    chosen: list[paddle.Tensor] = []
    for _ in range(interest_num):
        index = paddle.where(mask > 0, nearest, paddle.full_like(mask, 2.0)).argmin(axis=1)  # [B]
        seed = paddle.matmul(nn.functional.one_hot(index, mask.shape[1]).unsqueeze(1), unit)  # [B, 1, D]
        likeness = paddle.matmul(unit, seed, transpose_y=True).squeeze(2)  # [B, T]
        nearest = paddle.maximum(nearest, likeness) if chosen else likeness
        chosen.append(seed)
    return paddle.concat(chosen, axis=1)
