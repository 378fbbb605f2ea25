"""Training objectives: which candidates a target is trained against, and the loss over them.

An objective has two parts, so that a trainer can look up the candidates' rows on its own: `candidates(target_item)`
gives the ids that this step needs, `forward` the loss from their embedded rows.
"""

import math

import paddle
from paddle import nn

from models.layers.compiled import Pass, together, usable
from models.layers.functional import same_ids
from models.losses.fused import sampled_loss
from models.losses.samplers import SAMPLERS, AllItems

NEGATIVES = (*SAMPLERS, "full")


class Objective(nn.Layer):
    """A loss of targets against candidates."""

    kernel: str | None = None  # its compiled pass, see `models.losses.kernels`

    @property
    def compiles(self) -> bool:
        """Whether `mean` is the compiled pass, where it is `usable`."""
        return (
            bool(self.kernel)
            and together(self, "kernel", "forward", "constants")
            and together(self, "mean", "compiles")
        )

    def constants(self, target_item, candidate_item):
        """What the compiled pass is told beside the rows, of ids `[B, M]` and `[n]`: see `sampled_loss`."""
        raise NotImplementedError(f"{type(self).__name__} has no compiled pass")

    def count_items(self, count, order=None):
        """Learn how popular items are, see `Recommender.count_items`; nothing here depends on it."""

    def mean(self, user, target_eb, target_item, candidate_eb, candidate_item):
        """Mean loss of the targets that are there, a scalar.

        Args:
            user: `[B, M, D]`, read out for each target.
            target_eb, target_item: `[B, M, D]`, `[B, M]`, 0 where one is missing.
            candidate_eb, candidate_item: `[n, D]`, `[n]`, as `candidates` drew them.
        """
        if self.compiles and usable(user):
            constants = self.constants(target_item, candidate_item)
            return Pass.apply(sampled_loss, constants, user, target_eb, candidate_eb)[0]
        # A missing target counts as item 1 until it is left out, so that its loss is a number.
        known = paddle.clip(target_item, min=1).flatten()
        loss = self(user.flatten(0, 1), target_eb.flatten(0, 1), known, candidate_eb, candidate_item)
        present = (target_item > 0).astype(loss.dtype).flatten()  # [B·M]
        return (loss * present).sum() / paddle.clip(present.sum(), min=1.0)


class SampledSoftmax(Objective):
    """Cross-entropy of the target against negatives shared by the batch, drawn with replacement once a step.

    `log(n q_i)` is subtracted from the logits of target and negatives alike; a negative that equals its row's target
    gets -inf in that row. Bengio and Senécal 2008; ComiRec eq. 9 and 10.

    Args:
        sampler: the distribution of the negatives, see `models.losses.samplers`.
        neg_samples: n.
        log_q: whether to correct the logits by `log(n q_i)`.
        temperature: divides the scores, before the correction.
    """

    kernel: str | None = "sampled_softmax"

    def __init__(self, *, sampler, neg_samples, log_q, temperature):
        super().__init__()
        self.sampler, self.neg_samples = sampler, neg_samples
        self.log_q, self.temperature = log_q, temperature

    def count_items(self, count, order=None):
        """Tell the sampler how popular items are, see `Sampler.count_items`."""
        self.sampler.count_items(count, order)

    def candidates(self, target_item):
        """The ids whose rows `forward` needs: `[n]` negatives."""
        return self.sampler.draw(self.neg_samples, target_item)

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
        same = same_ids(target_item.unsqueeze(1), candidate_item)
        bias = paddle.masked_fill((-self._correction(candidate_item)).expand_as(same), same, -math.inf)
        negative = paddle.addmm(bias, user, candidate_eb.t())  # [B, n]
        logits = paddle.concat([positive, negative], axis=1)  # [B, 1 + n]
        label = paddle.zeros_like(target_item).unsqueeze(1)
        return nn.functional.cross_entropy(logits, label, reduction="none").squeeze(1)

    def constants(self, target_item, candidate_item):
        """As `Objective`."""
        both = self._correction(paddle.concat([target_item.flatten(), candidate_item])).numpy()
        numbers = both[: target_item.size], both[target_item.size :]
        return target_item.numpy(), candidate_item.numpy(), self.temperature, self.kernel, *numbers

    def _correction(self, item):
        """`log(n q_i)`, the log of how often item i is expected among the negatives; 0 without `log_q`."""
        if not self.log_q:
            return paddle.zeros_like(item, dtype="float32")
        return self.sampler.log_probability(item) + math.log(self.neg_samples)


class FullSoftmax(Objective):
    """Cross-entropy of the target over the whole catalogue (MIND eq. 10), padding left out.

    Args:
        item_num: V, without padding.
        temperature: divides the scores.
    """

    def __init__(self, *, item_num, temperature):
        super().__init__()
        self.sampler, self.temperature = AllItems(item_num=item_num), temperature

    def candidates(self, target_item):
        """The ids whose rows `forward` needs: all V."""
        return self.sampler.draw(None, target_item)

    def forward(self, user, target_eb, target_item, candidate_eb, candidate_item):
        """Loss of each row, `[B]`; arguments as in `SampledSoftmax.forward`."""
        logits = paddle.matmul(user / self.temperature, candidate_eb, transpose_y=True)  # [B, V]
        label = (target_item - 1).unsqueeze(1)
        return nn.functional.cross_entropy(logits, label, reduction="none").squeeze(1)


class HardNegativeSoftmax(SampledSoftmax):
    """Interest-aware hard negatives: those that score high count more (REMI section 4.1).

    `-log(exp(s+) / (exp(s+) + sum_j w_j exp(s_j)))`, `w_j = exp(beta s_j) / mean_j exp(beta s_j)`, the mean over the
    row's negatives; gradient flows through the weight. No log-Q correction is applied, so draw `uniform`: any other
    distribution pushes an item down by how often it is drawn, beside its score.

    Args:
        beta: how much more; 0 leaves the softmax over target and negatives.
        options: what `SampledSoftmax` takes.
    """

    kernel = "hard_negatives"

    def __init__(self, *, beta, **options):
        super().__init__(**options)
        self.beta = beta

    def forward(self, user, target_eb, target_item, candidate_eb, candidate_item):
        """Loss of each row, `[B]`; arguments as in `SampledSoftmax.forward`."""
        user = user / self.temperature
        positive = paddle.sum(user * target_eb, axis=1)
        same = same_ids(target_item.unsqueeze(1), candidate_item)
        allowed = paddle.clip((~same).sum(axis=1).astype(user.dtype), min=1.0)  # [B]
        # Not -inf, whose multiples would be NaN in a row without any negative.
        bias = paddle.masked_fill(paddle.zeros([1, 1], user.dtype).expand_as(same), same, -1e30)
        score = paddle.addmm(bias, user, candidate_eb.t())  # [B, n]
        # Both sums by hand, at least 1 after the shift: Paddle's logsumexp costs ten exponentials on a CPU.
        top = score.detach().max(axis=1, keepdim=True)
        boost = paddle.exp(score - top)
        weight = boost if self.beta == 1.0 else paddle.exp(self.beta * (score - top))
        hard = paddle.matmul(weight.unsqueeze(1), boost.unsqueeze(2)).flatten()  # [B], without a product of [B, n]
        negative = paddle.log(hard * allowed / weight.sum(axis=1)) + top.squeeze(1)
        return nn.functional.softplus(negative - positive)

    def constants(self, target_item, candidate_item):
        """As `Objective`."""
        none = paddle.zeros([target_item.size]).numpy()
        return target_item.numpy(), candidate_item.numpy(), self.temperature, self.kernel, none, self.beta


class GeneralizedBCE(SampledSoftmax):
    """Binary cross-entropy that sampled negatives do not make overconfident (gBCE, Petrov and Macdonald, RecSys 2023).

    `-(beta log sigmoid(s+) + sum_j log(1 - sigmoid(s_j))) / (1 + n)`, with `beta = a (t (1 - 1/a) + 1/a)` and
    a = n / (V - 1), the share of the catalogue that is drawn. A negative that equals its row's target does
    not count. No log-Q correction is applied, so draw `uniform`.

    Args:
        calibration: t; 0 is the plain binary cross-entropy, at 1 scores are those of the whole catalogue.
        options: what `SampledSoftmax` takes.
    """

    kernel = None

    def __init__(self, *, calibration, **options):
        super().__init__(**options)
        self.calibration = calibration

    def forward(self, user, target_eb, target_item, candidate_eb, candidate_item):
        """Loss of each row, `[B]`; arguments as in `SampledSoftmax.forward`."""
        user, n = user / self.temperature, paddle.shape(candidate_item)[0].astype("float32")
        drawn = paddle.clip(n / max(self.sampler.item_num - 1, 1), max=1.0)  # a
        beta = self.calibration * (drawn - 1.0) + 1.0
        positive = paddle.sum(user * target_eb, axis=1)
        score = paddle.matmul(user, candidate_eb, transpose_y=True)  # [B, n]
        same = same_ids(target_item.unsqueeze(1), candidate_item)
        against = paddle.masked_fill(nn.functional.softplus(score), same, 0.0)
        return (beta * nn.functional.softplus(-positive) + against.sum(axis=1)) / (1.0 + n)


def create_objective(
    *, negatives, item_num, neg_samples, log_q, temperature, unigram_alpha=1.0, hard_negative_beta=0, loss="softmax",
    gbce_calibration=0.75,
):  # fmt: skip
    """The objective over negatives of that name in `NEGATIVES`, hard ones where `hard_negative_beta` is above 0."""
    if negatives == "full" and not hard_negative_beta and loss == "softmax":
        return FullSoftmax(item_num=item_num, temperature=temperature)
    sampler = {**SAMPLERS, "full": AllItems}[negatives](item_num=item_num, alpha=unigram_alpha)
    options = {"sampler": sampler, "neg_samples": neg_samples, "log_q": log_q, "temperature": temperature}
    if loss == "gbce":
        return GeneralizedBCE(calibration=gbce_calibration, **options)
    if hard_negative_beta:
        return HardNegativeSoftmax(beta=hard_negative_beta, **options)
    return SampledSoftmax(**options)
