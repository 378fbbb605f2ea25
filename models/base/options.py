"""Options that several models take, in groups; each is defined here and nowhere else in `models`."""

import math
from dataclasses import dataclass

from models.base.keywords import option


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What every model with item vectors has."""

    item_count: int = option("rows of the item table, with the padding row 0")
    embedding_dim: int = option("D, size of item vectors and of interests")
    maxlen: int = option("T, how many of the last items of a history are read")


@dataclass(frozen=True, kw_only=True)
class Common(Sizes):
    """What every gradient model has: sizes, the item table, features and the score."""

    similarity: str = option(
        "score of an interest and an item, in training and retrieval", default="dot", choices="dot cosine"
    )
    dropout: float = option("share of the history's values set to 0 in a step", default=0.0)
    init_std: float | None = option("standard deviation of the initial item vectors; None: 1/sqrt(D)", default=None)
    item_features: object = option("what `ItemTable` averages into an item's row; None: nothing", default=None)
    user_features: object = option("what `FeatureTable` joins to each interest; None: nothing", default=None)
    tower_sizes: list[int] | None = option(
        "ReLU layers of the towers; None: one of 4D, in `youtube_dnn` none", default=None
    )

    @property
    def relu_sizes(self):
        """Sizes of a tower's ReLU layers where no others are given: one of 4D."""
        return [4 * self.embedding_dim] if self.tower_sizes is None else self.tower_sizes


@dataclass(frozen=True, kw_only=True)
class Interests:
    """How many interests there are, which of them is trained, and whether they are kept apart."""

    interest_num: int = option("K, vectors a user", default=4)
    dynamic_interest_num: bool = option(
        "whether a user has K'_u = max(1, min(K, floor(log2 length))) interests instead of K", default=False
    )
    pow_p: float = option(
        "p of the label-aware attention; 0: mean of the interests, `inf`: only the best interest", default=math.inf
    )
    interest_spread_weight: float = option(
        "weight in the loss of the mean cosine between a user's interests", default=0.0
    )


ONE = Interests(interest_num=1)


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """A transformer over histories, see `CausalTransformer`."""

    transformer_blocks: int = option("blocks of `encoder: transformer` and of `sasrec`", default=1)
    transformer_heads: int = option("heads of its attention; they divide `embedding_dim`", default=1)


@dataclass(frozen=True, kw_only=True)
class States(Transformer):
    """What interests are made of, see `models.layers.encoder`."""

    encoder: str = option(
        "reads the rows; interests are made of its states", default="none", choices="none transformer gru"
    )


@dataclass(frozen=True, kw_only=True)
class Routing:
    """Dynamic routing, see `CapsuleNetwork`."""

    routing_times: int = option("rounds of dynamic routing", default=3)
    routing_softmax: str = option(
        "over what couplings sum to 1; in the papers over interests", default="interests", choices="interests items"
    )
    squash_power: float = option("p of squash; 1 in the papers; a lower p shrinks short interests less", default=1.0)
    near_identity: bool = option("whether the routing's matrices start near the identity", default=False)
    relu_layer: bool = option("whether a linear layer and ReLU follow the routing", default=False)


@dataclass(frozen=True, kw_only=True)
class GaussianLogits:
    """The first logits of MIND's routing, see `CapsuleNetwork`."""

    routing_logits: str = option(
        "Gaussian logits: drawn in each step, or once", default="resample", choices="resample fixed"
    )
    routing_logits_std: float = option("standard deviation of the Gaussian logits", default=1.0)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The objective, see `models.losses.objective`."""

    loss: str = option(
        "softmax over target and negatives, or gBCE, a binary cross-entropy", default="softmax", choices="softmax gbce"
    )
    gbce_calibration: float = option("t of gBCE, from 0 to 1", default=0.75)
    temperature: float = option("divides the scores in the loss", default=1.0)
    negatives: str = option(
        "how negatives are drawn; `log_uniform` by rank of popularity",
        default="log_uniform",
        choices="log_uniform unigram uniform in_batch full",
    )
    neg_samples: int = option("negatives a step, shared by the batch", default=1280)
    unigram_alpha: float = option("exponent of the counts in `negatives: unigram`", default=1.0)
    log_q: bool = option("whether sampled logits are corrected by the log of the expected count", default=True)
    hard_negative_beta: float | None = option(
        "how much more high-scoring negatives count; above 0 `log_q` has no effect: take "
        "`negatives: uniform`; None: 1 in `remi`, 0 elsewhere",
        default=None,
    )
