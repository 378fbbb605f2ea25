"""What every gradient model shares: item table, extractor, towers, read-out and objective."""

import paddle
from paddle import nn

from models.base.recommender import Recommender
from models.layers.features import FeatureTable, ItemTable
from models.layers.functional import l2_normalize, length_mask
from models.layers.read_out import LabelAwareAttention
from models.layers.tower import ContextTower
from models.losses.objective import create_objective


class GradientModel(Recommender):
    """Item table -> extractor -> user tower, where there are user features -> read-out -> objective.

    Args:
        item_count, maxlen: see `Recommender`.
        embedding_dim: D.
        extractor: a layer with `route(item_eb, mask)`, giving interests `[B, K, D]` and coupling `[B, K, T]`.
        similarity: `dot` or `cosine`; cosine scales interests and item vectors to unit length, so that read-out, loss
            and retrieval are an inner product either way.
        temperature: divides the scores in the loss.
        negatives, neg_samples, log_q, unigram_alpha, hard_negative_beta: see `models.losses.objective`.
        init_std: standard deviation of the item table's first values; None: `1 / sqrt(D)`.
        dropout: share of the values of the history's rows that a training step drops.
        item_features: None or what `ItemTable` takes.
        user_features: None or what `FeatureTable` takes; the means are joined to each interest.
        tower_sizes: ReLU layers between interests with user features and the interests that are searched; None: one
            of 4D.
    """

    def __init__(
        self,
        *,
        item_count,
        embedding_dim,
        maxlen,
        extractor,
        similarity="dot",
        temperature=1.0,
        negatives="log_uniform",
        neg_samples=1280,
        log_q=True,
        unigram_alpha=1.0,
        hard_negative_beta=0.0,
        init_std=None,
        dropout=0.0,
        item_features=None,
        user_features=None,
        tower_sizes=None,
    ):
        super().__init__(item_count=item_count, maxlen=maxlen)
        self.item_table = ItemTable(
            item_count=item_count,
            embedding_dim=embedding_dim,
            # Candidates that are all rows make a dense gradient anyway; a sparse one would only sort them first.
            sparse=negatives != "full",
            init_std=embedding_dim**-0.5 if init_std is None else init_std,
            features=item_features,
        )
        self.extractor = extractor
        self.dropout = nn.Dropout(dropout)
        self.read_out = LabelAwareAttention()
        self.scale = {"dot": nn.Identity(), "cosine": l2_normalize}[similarity]
        self.item_tower = nn.Identity()
        self.user_features = self.user_tower = None
        self.context_size = 0 if user_features is None else user_features.feature_num * embedding_dim  # P
        if user_features is not None:
            self.user_features = FeatureTable(features=user_features, embedding_dim=embedding_dim)
            self.user_tower = self.create_user_tower(embedding_dim, tower_sizes)
        self.objective = create_objective(
            negatives=negatives,
            item_num=item_count - 1,
            neg_samples=neg_samples,
            log_q=log_q,
            temperature=temperature,
            unigram_alpha=unigram_alpha,
            hard_negative_beta=hard_negative_beta,
        )

    def create_user_tower(self, embedding_dim, tower_sizes):
        """The layers that join the context to each interest."""
        sizes = [4 * embedding_dim] if tower_sizes is None else tower_sizes
        return ContextTower(interest_size=embedding_dim, context_size=self.context_size, sizes=sizes)

    def embed_context(self, users, *context):
        """The features of so many users, `[B, P]`; zeros where they are not given, None for a model without."""
        if self.user_features is None:
            return None
        if not context:
            return paddle.zeros([users, self.context_size])
        return self.user_features(*context).reshape([-1, self.context_size])

    def route_rows(self, hist_eb, seq_len, context_eb=None):
        """`route` after the look-up: rows `[B, T, D]`, lengths `[B]` and, where there are user features, `[B, P]`."""
        interests, coupling = self.extractor.route(hist_eb, length_mask(seq_len, hist_eb.shape[1]))
        if self.user_tower is not None:
            interests = self.user_tower(interests, context_eb)
        if self.dynamic_interest_num:
            interests = interests * self.live_interests(seq_len).unsqueeze(2).astype(interests.dtype)
        return self.scale(interests), coupling

    def item_rows(self):
        """What histories are made of: `[item_count, D]`, row 0 zero."""
        return self.item_table.rows()

    def item_vectors(self):
        """What interests are searched among: `[item_count, D]`; row 0 is padding's."""
        return self.item_side(self.item_rows())

    def item_side(self, rows):
        """Rows of the item table as the vectors that interests are compared with."""
        return self.scale(self.item_tower(rows))

    def count_items(self, count):
        """Tell the objective how often each item stands in the training data: `[item_count]`."""
        self.objective.count_items(count)

    def loss(self, hist_item, target_item, seq_len, *context):
        """Mean loss of a batch, a scalar.

        Args:
            hist_item, seq_len, context: see `forward`.
            target_item: `[B]`, or `[B, M]` for the next M items, 0 where there are fewer.
        """
        return self.loss_from_rows(*self.look_up(hist_item, target_item, seq_len, *context))

    def look_up(self, hist_item, target_item, seq_len, *context):
        """Draw candidates and look up all rows of a step: what `loss_from_rows` takes."""
        target_item = target_item.reshape([len(hist_item), -1])  # [B, M]
        candidate_item = self.objective.candidates(target_item)  # [n]
        ids = (hist_item, target_item, candidate_item)
        step = (*(self.item_table(item) for item in ids), *ids, seq_len)
        context_eb = self.embed_context(len(hist_item), *context)
        return step if context_eb is None else (*step, context_eb)

    def loss_from_rows(
        self, hist_eb, target_eb, candidate_eb, hist_item, target_item, candidate_item, seq_len, context_eb=None
    ):
        """`loss` after the look-up: everything here is dense and independent of the catalogue's size.

        Args:
            hist_eb, target_eb, candidate_eb: rows of the item table, `[B, T, D]`, `[B, M, D]`, `[n, D]`.
            hist_item, target_item, candidate_item: their ids, `[B, T]`, `[B, M]`, `[n]`.
            seq_len: `[B]`.
            context_eb: `[B, P]`, for a model with user features.
        """
        hist_eb = self.dropout(hist_eb)
        interests, coupling = self.route_rows(hist_eb, seq_len, context_eb)
        target_eb, candidate_eb = self.item_side(target_eb), self.item_side(candidate_eb)
        user = self.read_out(interests, target_eb, self.live_interests(seq_len))  # [B, M, D]
        # A missing target counts as item 1 until it is left out, so that its loss is a number.
        known = paddle.clip(target_item, min=1).flatten()
        loss = self.objective(user.flatten(0, 1), target_eb.flatten(0, 1), known, candidate_eb, candidate_item)
        present = (target_item > 0).astype(loss.dtype).flatten()  # [B·M]
        mean = (loss * present).sum() / paddle.clip(present.sum(), min=1.0)
        return self.regularize(mean, interests, coupling, hist_eb, hist_item, seq_len)

    def regularize(self, loss, interests, coupling, hist_eb, hist_item, seq_len):
        """The loss with what a model adds to it; shapes as in `loss_from_rows` and `route`."""
        return loss
