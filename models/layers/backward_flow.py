"""Re4's backward flows: from interests back to the behaviours they were made of (Zhang et al., WWW 2022).

Only training runs them. Shapes: interests z `[B, K, D]`, behaviours x `[B, T, D]`, attention a `[B, K, T]`.
"""

import paddle
from paddle import nn

from models.layers.functional import same_ids, tanh

NEVER = -1e30  # the logit of what is left out; not -inf, which makes a row with nothing in it NaN


def find_positives(attention, seq_len, live):
    """`P_k`, the behaviours that interest k was made of: `a_ki > gamma_c = 1 / |I_u|`.

    Args:
        attention: `[B, K, T]`, 0 at padding.
        seq_len: `[B]`.
        live: `[B, K]` bool.

    Returns:
        `[B, K, T]` bool; a history of one has none, since nothing is above its share.
    """
    share = 1.0 / paddle.clip(seq_len, min=1).astype(attention.dtype)  # [B]
    return (attention > share.reshape([-1, 1, 1])) & live.unsqueeze(2)


def draw_behaviours(mask, count):
    """Places of at most `count` behaviours of a batch, without replacement: `[B, T]` to `[min(count, B·T)]`.

    Places are those of the flattened `[B·T]`; padding comes after all behaviours, if at all.
    """
    return paddle.argsort((paddle.rand(paddle.shape(mask)) - mask).flatten())[:count]


def re_contrast(interests, item_eb, hist_item, mask, positives, live, temperature, negatives):
    """`L_CL`: InfoNCE of each interest with each of its positives, the mean of them all.

    `-log(exp(z_k·x_i / tau) / (exp(z_k·x_i / tau) + sum_j exp(z_k·n_j / tau)))`. The n_j are the user's other
    behaviours, the user's other interests, and behaviours of the batch whose item is not in the user's history. The
    product is the paper's; a public code takes the cosine, which `similarity: cosine` gives here.

    Args:
        interests: z, `[B, K, D]`.
        item_eb, hist_item, mask: behaviours x `[B, T, D]`, their ids `[B, T]`, 1 where they are real `[B, T]`.
        positives, live: `[B, K, T]`, `[B, K]`, bool.
        temperature: tau.
        negatives: at most so many behaviours of others.

    Returns:
        A scalar, 0 where nobody has a positive.
    """
    query = interests / temperature
    near = paddle.matmul(query, item_eb, transpose_y=True)  # [B, K, T]
    others = (paddle.eye(live.shape[1]) == 0.0) & live.unsqueeze(1)  # [B, K, K]
    real = mask.unsqueeze(1) > 0  # [B, 1, T]
    against = [
        _only(near, real & ~positives),
        _only(paddle.matmul(query, interests, transpose_y=True), others),
    ]
    if negatives:
        drawn = draw_behaviours(mask, negatives)  # [n]
        real_item = hist_item * mask.astype(hist_item.dtype)  # [B, T]
        drawn_item = paddle.gather(real_item.flatten(), drawn)
        own = same_ids(real_item.unsqueeze(2), drawn_item).any(axis=1)  # [B, n]
        far = paddle.matmul(query, paddle.gather(item_eb.flatten(0, 1), drawn), transpose_y=True)  # [B, K, n]
        against.append(_only(far, ((drawn_item > 0) & ~own).unsqueeze(1)))
    total = paddle.logsumexp(paddle.concat(against, axis=2), axis=2, keepdim=True)  # [B, K, 1]
    return _mean(nn.functional.softplus(total.expand_as(near) - near), positives)


def re_attend(interests, item_eb, attention, mask, live):
    """`L_ATT`: `-sum_i a_ki log softmax_i(z_k·x_i)`, the mean over the live interests of users with a history.

    A scalar. The attention `[B, K, T]` is a constant: it teaches the interests, not they it. Other arguments as in
    `re_contrast`.
    """
    scores = _only(paddle.matmul(interests, item_eb, transpose_y=True), mask.unsqueeze(1) > 0)  # [B, K, T]
    total = paddle.logsumexp(scores, axis=2, keepdim=True)  # [B, K, 1]; Paddle's log_softmax is slow
    surprise = total.expand_as(scores) - scores  # [B, K, T]
    term = (attention.detach() * surprise).sum(axis=2)  # [B, K]
    return _mean(term, live & (mask.sum(axis=1, keepdim=True) > 0))


class ReConstruct(nn.Layer):
    """Behaviours made again from an interest.

    `C_k = W4 z_k`, T rows; `beta_kij = softmax_i(w_j · tanh(W3 c_ki))` over the first |I_u| rows;
    `x̂_kj = sum_i beta_kij W5 c_ki`.

    Args:
        embedding_dim: D, also of the rows and of the hidden layer.
        seq_len: T, the longest history.
    """

    def __init__(self, *, embedding_dim, seq_len):
        super().__init__()
        self.seq_len = seq_len
        self.upsample, self.hidden, self.weigh, self.output = (
            nn.Linear(embedding_dim, size, bias_attr=False)
            for size in (seq_len * embedding_dim, embedding_dim, seq_len, embedding_dim)
        )

    def forward(self, interests, mask):
        """Interests `[B, K, D]` and mask `[B, T]` to every interest's idea of the behaviours, `[B, K, T, D]`."""
        length = mask.shape[1]
        rows = self.upsample(interests).reshape([-1, interests.shape[1], self.seq_len, interests.shape[2]])
        rows = rows[:, :, :length]  # [B, K, T, D]
        logits = self.weigh(tanh(self.hidden(rows)))[..., :length].transpose([0, 1, 3, 2])  # [B, K, j, i]
        beta = nn.functional.softmax(_only(logits, mask.reshape([-1, 1, 1, length]) > 0), axis=3)
        return self.output(paddle.matmul(beta, rows))

    def loss(self, interests, item_eb, mask, positives):
        """`L_CT`: `|x̂_kj - x_j|²`, the mean over positives: a scalar; arguments as in `re_contrast`."""
        again = self(interests, mask)
        error = paddle.square(again - item_eb.unsqueeze(1).expand_as(again)).sum(axis=3)  # [B, K, T]
        return _mean(error, positives)


def _only(scores, allowed):
    """Scores where they are allowed; no gradient reaches the others."""
    return paddle.where(allowed, scores, paddle.full_like(scores, NEVER))


def _mean(terms, valid):
    """Mean of the valid terms, 0 if there are none; exactly no gradient reaches the others."""
    weight = valid.astype(terms.dtype)
    return (terms * weight).sum() / paddle.clip(weight.sum(), min=1.0)
