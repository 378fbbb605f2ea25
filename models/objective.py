"""Training objectives: which candidates a target is trained against, and the loss over them.

An objective has two parts, so that a trainer can look up the candidates' rows on its own: `candidates(target_item)`
gives the ids that this step needs, `forward` the loss from their embedded rows.
"""

import math

import paddle
from paddle import nn


class LogUniform:
    """`q(i) = log((i + 1) / i) / log(V + 1)`, i = 1…V: Zipf-like where ids are sorted by falling popularity."""

    def __init__(self, *, item_num):
        self.item_num = item_num  # V, without padding
        self.log_range = math.log(item_num + 1)

    def draw(self, count):
        """`[count]` ids, independent, by inversion of the distribution function `log(i + 1) / log(V + 1)`."""
        item = paddle.exp(paddle.rand([count], dtype="float64") * self.log_range).astype("int64")
        return paddle.clip(item, 1, self.item_num)

    def log_probability(self, item):
        """`log q(i)` of each id, float32."""
        rank = item.astype("float64")  # float32 loses log1p(1/i) from a few million on
        return (paddle.log(paddle.log1p(1.0 / rank)) - math.log(self.log_range)).astype("float32")


class Uniform:
    """`q(i) = 1 / V`, i = 1…V."""

    def __init__(self, *, item_num):
        self.item_num = item_num

    def draw(self, count):
        """`[count]` ids, independent."""
        return paddle.randint(1, self.item_num + 1, [count], dtype="int64")

    def log_probability(self, item):
        """`log q(i)` of each id, float32."""
        return paddle.full_like(item, -math.log(self.item_num), dtype="float32")


class SampledSoftmax(nn.Layer):
    """Cross-entropy of the target against negatives shared by the batch, drawn with replacement once a step.

    `log(n q_i)` is subtracted from the logits of target and negatives alike; a negative that equals its row's target
    gets -inf in that row. Bengio and Senécal 2008; ComiRec eq. 9 and 10.

    Args:
        sampler: the distribution of the negatives.
        neg_samples: n.
        log_q: whether to correct the logits by `log(n q_i)`.
        temperature: divides the scores, before the correction.
    """

    def __init__(self, *, sampler, neg_samples, log_q, temperature):
        super().__init__()
        self.sampler, self.neg_samples = sampler, neg_samples
        self.log_q, self.temperature = log_q, temperature

    def candidates(self, target_item):
        """The ids whose rows `forward` needs: `[n]` negatives."""
        return self.sampler.draw(self.neg_samples)

    def forward(self, user, target_eb, target_item, candidate_eb, candidate_item):
        """Loss of each row, `[B]`.

        Args:
            user: `[B, D]`, read out for the target.
            target_eb, target_item: `[B, D]`, `[B]`.
            candidate_eb, candidate_item: `[n, D]`, `[n]`, as `candidates` drew them.
        """
        user = user / self.temperature
        positive = paddle.sum(user * target_eb, axis=1, keepdim=True) - self._correction(target_item).unsqueeze(1)
        # One constant [B, n] into the GEMM: correcting and masking the product itself costs five passes over it.
        same = target_item.unsqueeze(1) == candidate_item
        bias = paddle.where(same, paddle.full([1], -math.inf), -self._correction(candidate_item))  # [B, n]
        negative = paddle.addmm(bias, user, candidate_eb.t())  # [B, n]
        logits = paddle.concat([positive, negative], axis=1)  # [B, 1 + n]
        label = paddle.zeros_like(target_item).unsqueeze(1)
        return nn.functional.cross_entropy(logits, label, reduction="none").squeeze(1)

    def _correction(self, item):
        """`log(n q_i)`, the log of how often item i is expected among the negatives; 0 without `log_q`."""
        if not self.log_q:
            return paddle.zeros_like(item, dtype="float32")
        return self.sampler.log_probability(item) + math.log(self.neg_samples)


class FullSoftmax(nn.Layer):
    """Cross-entropy of the target over the whole catalogue (MIND eq. 10), padding left out.

    Args:
        item_num: V, without padding.
        temperature: divides the scores.
    """

    def __init__(self, *, item_num, temperature):
        super().__init__()
        self.item_num, self.temperature = item_num, temperature

    def candidates(self, target_item):
        """The ids whose rows `forward` needs: all V."""
        return paddle.arange(1, self.item_num + 1, dtype="int64")

    def forward(self, user, target_eb, target_item, candidate_eb, candidate_item):
        """Loss of each row, `[B]`; arguments as in `SampledSoftmax.forward`."""
        logits = paddle.matmul(user / self.temperature, candidate_eb, transpose_y=True)  # [B, V]
        label = (target_item - 1).unsqueeze(1)
        return nn.functional.cross_entropy(logits, label, reduction="none").squeeze(1)


SAMPLERS = {"log_uniform": LogUniform, "uniform": Uniform}
NEGATIVES = (*SAMPLERS, "full")


def create_objective(*, negatives, item_num, neg_samples, log_q, temperature):
    """The objective of that name in `NEGATIVES`."""
    if negatives == "full":
        return FullSoftmax(item_num=item_num, temperature=temperature)
    sampler = SAMPLERS[negatives](item_num=item_num)
    return SampledSoftmax(sampler=sampler, neg_samples=neg_samples, log_q=log_q, temperature=temperature)
