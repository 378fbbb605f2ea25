"""What every gradient model shares: item table, interests, read-out and loss."""

import math

import paddle
from paddle import nn

from models.functional import l2_normalize, length_mask, live_mask
from models.objective import create_objective
from models.read_out import LabelAwareAttention


class MultiInterestModel(nn.Layer):
    """Item table -> extractor -> read-out -> objective.

    Args:
        item_count: rows of the item table, padding row 0 included.
        embedding_dim: D.
        maxlen: T, the longest history.
        interest_num: K.
        extractor: a layer with `route(item_eb, mask)`, giving interests `[B, K, D]` and coupling `[B, K, T]`.
        dynamic_interest_num: whether K'_u follows the length of the history, see `live_mask`.
        pow_p: the read-out's p, see `LabelAwareAttention`.
        similarity: `dot` or `cosine`; cosine scales interests and item vectors to unit length, so that read-out, loss
            and retrieval are an inner product either way.
        temperature: divides the scores in the loss.
        negatives, neg_samples, log_q: see `models.objective`.
        init_std: standard deviation of the item table's first values; None: `1 / sqrt(D)`.
    """

    def __init__(
        self,
        *,
        item_count,
        embedding_dim,
        maxlen,
        interest_num,
        extractor,
        dynamic_interest_num=False,
        pow_p=math.inf,
        similarity="dot",
        temperature=1.0,
        negatives="log_uniform",
        neg_samples=1280,
        log_q=True,
        init_std=None,
    ):
        super().__init__()
        self.item_count, self.maxlen, self.interest_num = item_count, maxlen, interest_num
        self.dynamic_interest_num = dynamic_interest_num
        # Candidates that are all rows make a dense gradient anyway; a sparse one would only sort them first.
        self.item_table = nn.Embedding(
            item_count,
            embedding_dim,
            padding_idx=0,
            sparse=negatives != "full",
            weight_attr=nn.initializer.Normal(std=embedding_dim**-0.5 if init_std is None else init_std),
        )
        self.extractor = extractor
        self.read_out = LabelAwareAttention(pow_p=pow_p)
        self.scale = {"dot": nn.Identity(), "cosine": l2_normalize}[similarity]
        self.objective = create_objective(
            negatives=negatives,
            item_num=item_count - 1,
            neg_samples=neg_samples,
            log_q=log_q,
            temperature=temperature,
        )

    def forward(self, hist_item, seq_len):
        """Interests of right-padded histories: ids `[B, T]` and lengths `[B]` to `[B, K, D]`."""
        return self.route(hist_item, seq_len)[0]

    def route(self, hist_item, seq_len):
        """Interests `[B, K, D]` and the coupling or attention `[B, K, T]` that made them."""
        return self.route_rows(self.item_table(hist_item), seq_len)

    def live_interests(self, seq_len):
        """`[B, K]` bool: which interests are read out, searched and counted."""
        return live_mask(seq_len, self.interest_num, self.dynamic_interest_num)

    def item_vectors(self):
        """What interests are searched among: `[item_count, D]`, row 0 zero."""
        return self.scale(self.item_table.weight)

    def loss(self, hist_item, target_item, seq_len):
        """Mean loss of a batch: histories `[B, T]`, targets `[B]` and lengths `[B]` to a scalar."""
        return self.loss_from_rows(*self.look_up(hist_item, target_item, seq_len))

    def look_up(self, hist_item, target_item, seq_len):
        """Draw candidates and look up all rows of a step: what `loss_from_rows` takes."""
        candidate_item = self.objective.candidates(target_item)  # [n]
        rows = [self.item_table(item) for item in (hist_item, target_item, candidate_item)]
        return *rows, seq_len, target_item, candidate_item

    def loss_from_rows(self, hist_eb, target_eb, candidate_eb, seq_len, target_item, candidate_item):
        """`loss` after the look-up: everything here is dense and independent of the catalogue's size.

        Args:
            hist_eb, target_eb, candidate_eb: rows of the item table, `[B, T, D]`, `[B, D]`, `[n, D]`.
            seq_len, target_item, candidate_item: `[B]`, `[B]`, `[n]`.
        """
        interests, _ = self.route_rows(hist_eb, seq_len)
        target_eb, candidate_eb = self.scale(target_eb), self.scale(candidate_eb)
        user = self.read_out(interests, target_eb, self.live_interests(seq_len))  # [B, D]
        return paddle.mean(self.objective(user, target_eb, target_item, candidate_eb, candidate_item))

    def route_rows(self, hist_eb, seq_len):
        """`route` after the look-up."""
        interests, coupling = self.extractor.route(hist_eb, length_mask(seq_len, hist_eb.shape[1]))
        if self.dynamic_interest_num:
            interests = interests * self.live_interests(seq_len).unsqueeze(2).astype(interests.dtype)
        return self.scale(interests), coupling
