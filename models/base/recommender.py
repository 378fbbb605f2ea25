"""What every registered model is."""

import paddle
from paddle import nn

from models.layers.functional import live_mask


class Recommender(nn.Layer):
    """Interests of a history, and the item vectors they are searched among.

    A model learns in one of two ways: a gradient model has a `loss` and the trainer fits it; any other brings
    `fit(items)`, where `items.values` and `items.offsets` hold the training users' items one user after the other.

    A model has `item_table`, a layer from ids to rows, and `route_rows`; or it sets `gives_scores` and has `route`
    alone, and its one interest holds the scores of items 1…V, `[B, 1, item_count - 1]`. It has no item vectors then;
    its export scores all items.

    Args:
        item_count: rows of the item table, padding row 0 included.
        maxlen: T, the longest history.
    """

    interest_num = 1  # K
    dynamic_interest_num = False  # whether K'_u follows the length of the history
    gives_scores = False  # whether interests are the scores of items 1…V themselves, with no vectors to search
    has_onnx = True  # whether paddle2onnx knows all its operators
    context_size = 0  # P, of what is known of a user beside the history

    def __init__(self, *, item_count, maxlen):
        super().__init__()
        self.item_count, self.maxlen = item_count, maxlen

    @staticmethod
    def watch(steps, *, name, total):
        """The steps of a part of `fit`, as they are; who wants to see them puts a function of his own here."""
        return steps

    def count_items(self, count, order=None):
        """Learn how popular items are, before training; most models that bring their own `fit` don't ask.

        Args:
            count: how often each item stands in the training data, `[item_count]`.
            order: items from the most popular to the least, `[item_count - 1]`; None: they are numbered so.
        """

    def forward(self, hist_item, seq_len, *context):
        """Interests of right-padded histories: ids `[B, T]` and lengths `[B]` to `[B, K, D]`.

        Args:
            hist_item, seq_len: the histories.
            context: for a model with user features, their values `[E]` and the number of values in each of the
                B·F slots (user after user, feature after feature); left out, nothing is known of the users.
        """
        return self.route(hist_item, seq_len, *context)[0]

    def route(self, hist_item, seq_len, *context):
        """Interests `[B, K, D]` and the coupling or attention `[B, K, T]` that made them."""
        return self.route_rows(self.item_table(hist_item), seq_len, self.embed_context(len(hist_item), *context))

    def route_rows(self, hist_eb, seq_len, context_eb=None):
        """`route` after the look-up: rows `[B, T, D]`, lengths `[B]` and, where there are user features, `[B, P]`."""
        raise NotImplementedError(f"{type(self).__name__} has no route_rows")

    def embed_context(self, users, *context):
        """The users' features as one vector each, `[B, P]`; None for a model without."""
        return None

    def live_interests(self, seq_len):
        """`[B, K]` bool: which interests are read out, searched and counted."""
        return live_mask(seq_len, self.interest_num, self.dynamic_interest_num)

    def item_rows(self):
        """What histories are made of: `[item_count, D]`, row 0 zero."""
        return self.item_table.weight

    def item_vectors(self):
        """What interests are searched among: `[item_count, D]`, row 0 zero."""
        return self.item_rows()


def frozen_table(item_count, size):
    """An item table of zeros that no optimizer moves, for `fit` to fill."""
    zero = paddle.ParamAttr(initializer=nn.initializer.Constant(0.0), trainable=False)
    return nn.Embedding(item_count, size, padding_idx=0, weight_attr=zero)
