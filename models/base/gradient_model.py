"""What every model trained by gradient is: how its parts play together in a forward pass and in a training step."""

import math

import paddle
from paddle import nn

from models.base import fused_step
from models.base.options import ONE, Common, Interests
from models.base.recommender import Recommender
from models.layers.compiled import together, usable
from models.layers.encoder import Rows
from models.layers.features import FeatureTable
from models.layers.functional import l2_normalize, length_mask
from models.layers.passes import nothing
from models.layers.read_out import LabelAwareAttention
from models.layers.tower import ContextTower
from models.losses.spread import interest_spread

PENALTY = ("regularize", "compiled_penalty")  # whoever overrides both can still have a step that is one pass


class GradientModel(Recommender):
    """Parts that a model is composed of, and the one way from a history to interests and to the loss.

        e_i         = item_table(i)                                         rows, [B, T, D]
        h_1 … h_T   = encoder(e_1 … e_T)                                    states, [B, T, D]; the rows, unless set
        v_1 … v_K   = extractor(h_1 … h_T)                                  interests, [B, K, D]
        v_k         ← user_tower([v_k ; context])                           where there are user features, or always
        v_u         = read_out(v_1 … v_K, e_target)                         the vector that is trained, [B, D]
        loss        = objective(v_u, e_target, e_candidates) + regularize(…)
        f(u, i)     = max_k v_k · item_tower(e_i)                           what retrieval searches by

    With `similarity: cosine` interests and item vectors are scaled to length 1. So read-out, loss and retrieval are an
    inner product either way.

    Args:
        common, interests: options, see there.
        item_table: ids to rows.
        extractor: see `Extractor`.
        encoder: rows and mask to states, see `models.layers.encoder`; None: the rows are the states.
        read_out: interests `[B, K, D]`, targets `[B, M, D]` and live mask `[B, K]` to `[B, M, D]`.
        objective: see `models.losses.objective`.
        tower_sizes: ReLU layers of the user tower; None: those of `common`, and a tower for user features only.
    """

    def __init__(
        self,
        common: Common,
        interests: Interests = ONE,
        *,
        item_table,
        extractor,
        read_out,
        objective,
        encoder=None,
        tower_sizes=None,
    ):
        super().__init__(item_count=common.item_count, maxlen=common.maxlen)
        self.interest_num, self.dynamic_interest_num = interests.interest_num, interests.dynamic_interest_num
        self.interest_spread_weight = interests.interest_spread_weight
        self.item_table, self.extractor = item_table, extractor
        self.encoder = Rows() if encoder is None else encoder
        self.dropout = nn.Identity() if self.encoder.has_dropout else nn.Dropout(common.dropout)
        self.read_out, self.objective = read_out, objective
        self.scale = {"dot": nn.Identity(), "cosine": l2_normalize}[common.similarity]
        self.item_tower = nn.Identity()
        self.user_features = self.user_tower = None
        if common.user_features is not None:
            self.user_features = FeatureTable(features=common.user_features, embedding_dim=common.embedding_dim)
            self.context_size = self.user_features.feature_num * common.embedding_dim  # P
            tower_sizes = common.relu_sizes if tower_sizes is None else tower_sizes
        if tower_sizes is not None:
            self.user_tower = ContextTower(
                interest_size=common.embedding_dim, context_size=self.context_size, sizes=tower_sizes
            )

    def embed_context(self, users, *context):
        """The features of so many users, `[B, P]`; zeros where they are not given, None for a model without."""
        if self.user_features is None:
            return None
        if not context:
            return paddle.zeros([users, self.context_size])
        return self.user_features(*context).reshape([-1, self.context_size])

    def route_rows(self, hist_eb, seq_len, context_eb=None):
        """`route` after the look-up: rows `[B, T, D]`, lengths `[B]` and, where there are user features, `[B, P]`."""
        mask = length_mask(seq_len, hist_eb.shape[1])
        interests, coupling = self.extractor.route(self.encoder(hist_eb, mask), mask)
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

    def count_items(self, count, order=None):
        """Tell the objective how popular items are, see `Recommender.count_items`."""
        self.objective.count_items(count, order)

    def loss(self, hist_item, target_item, seq_len, *context):
        """Mean loss of a batch, a scalar.

        Args:
            hist_item, seq_len, context: see `forward`.
            target_item: `[B]`, or `[B, M]` for the next M items, 0 where there are fewer.
        """
        if self.training and usable(self.item_table.weight) and self._fuses():
            return fused_step.loss(self, hist_item, target_item, seq_len)
        return self.loss_from_rows(*self.look_up(hist_item, target_item, seq_len, *context))

    def _fuses(self):
        """Whether a step is `fused_step.whole_step`: nothing is between its passes, no other method is overridden."""
        identities = (self.encoder, Rows), (self.scale, nn.Identity), (self.item_tower, nn.Identity)
        numbers = (self.interest_spread_weight, self.dynamic_interest_num, getattr(self.dropout, "p", 0))
        methods = [name for one in (Recommender, GradientModel) for name in vars(one) if name[0] != "_"]
        changed = {name for name in methods if getattr(type(self), name) is not getattr(GradientModel, name)}
        return (
            self.extractor.fuses
            and type(self.read_out) is LabelAwareAttention
            and self.read_out.pow_p == math.inf
            and self.objective.compiles
            and self.user_features is None
            and type(self.user_tower) in (type(None), ContextTower)
            and all(type(layer) is kind for layer, kind in identities)
            and not any(numbers)
            and together(self, *PENALTY)
            and changed <= set(PENALTY)
        )

    def draw(self, hist_item, target_item, seq_len):
        """Ids of a step: histories `[B, T]`, targets `[B, M]` and candidates `[n]`."""
        target_item = self.targets_of(hist_item, target_item.reshape([len(hist_item), -1]), seq_len)
        return hist_item, target_item, self.objective.candidates(target_item)

    def look_up(self, hist_item, target_item, seq_len, *context):
        """Draw candidates and look up all rows of a step: what `loss_from_rows` takes."""
        ids = self.draw(hist_item, target_item, seq_len)
        step = (*self.item_table.look_up(*ids), *ids, seq_len)
        context_eb = self.embed_context(len(hist_item), *context)
        return step if context_eb is None else (*step, context_eb)

    def targets_of(self, hist_item, target_item, seq_len):
        """What a step trains, of histories `[B, T]` and targets `[B, M]`: here the targets."""
        return target_item

    def target_num(self, target_item, seq_len):
        """How many targets a batch trains, those that are missing not counted."""
        return int((target_item > 0).sum())

    def loss_from_rows(self, *step):
        """`loss` after the look-up, from what `look_up` gives: dense and independent of the catalogue's size."""
        return self.loss_of_users(*self.users_from_rows(*step), *step[4:6])  # with ids of targets and candidates

    def users_from_rows(
        self, hist_eb, target_eb, candidate_eb, hist_item, target_item, candidate_item, seq_len, context_eb=None
    ):
        """What the objective compares, and what `regularize` adds: `[B, M, D]`, `[B, M, D]`, `[n, D]` and a scalar.

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
        added = self.regularize(paddle.zeros([]), interests, coupling, hist_eb, hist_item, seq_len)
        return user, target_eb, candidate_eb, added

    def loss_of_users(self, user, target_eb, candidate_eb, added, target_item, candidate_item):
        """Mean of the objective over the targets that are there, and what is added; shapes as in `users_from_rows`."""
        return self.objective.mean(user, target_eb, target_item, candidate_eb, candidate_item) + added

    def regularize(self, loss, interests, coupling, hist_eb, hist_item, seq_len):
        """The loss with what a model adds to it: here, weighted, how alike a user's interests are.

        Shapes as in `users_from_rows` and `route`.
        """
        if not self.interest_spread_weight:
            return loss
        spread = interest_spread(interests, self.live_interests(seq_len))
        return loss - self.interest_spread_weight * paddle.mean(spread)

    def compiled_penalty(self):
        """What `regularize` adds besides `interest_spread`, see `models.layers.compiled`: a pass and its constants.

        The pass takes the coupling `[B, K, T]` of users whose interests are all live, and gives a scalar.
        """
        return nothing, ()
