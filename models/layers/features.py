"""Multi-valued categorical features of items and users, as embeddings."""

import paddle
from paddle import nn

from models.layers import compiled
from models.layers.passes import parts


class FeatureTable(nn.Layer):
    """Embeddings of feature values, those of one feature averaged (MIND section 3.2).

    Values of all features are numbered together. A user or item has a slot for each feature, with any number of values;
    they come as one flat array, so that a row with many values costs the others nothing.

    Args:
        features: its `token_num` values and `feature_num` F size the table.
        embedding_dim: D.
    """

    def __init__(self, *, features, embedding_dim):
        super().__init__()
        self.feature_num, self.embedding_dim = features.feature_num, embedding_dim
        first = nn.initializer.Normal(std=embedding_dim**-0.5)
        rows = max(features.token_num, 1)  # a feature may stand in a data set without any value
        self.table = nn.Embedding(rows, embedding_dim, sparse=True, weight_attr=first)

    def forward(self, token, count):
        """Values `[E]` and their number in each slot `[R·F]` to means `[R, F, D]`, zero where a slot is empty.

        Where all are empty, `token` is not looked at.
        """
        slots = len(count)
        total = paddle.zeros([slots, self.embedding_dim])
        slot = paddle.repeat_interleave(paddle.arange(slots), count)  # [E]
        if len(slot):
            total = paddle.scatter(total, slot, self.table(token), overwrite=False)
        mean = total / paddle.clip(count, min=1).astype(total.dtype).unsqueeze(1)
        return mean.reshape([-1, self.feature_num, self.embedding_dim])


class ItemTable(nn.Embedding):
    """Rows of items: the id's own, averaged with those of the item's features where there are any.

    `e_i = (id_i + sum_f mean_f) / (1 + features that item i has)`: MIND section 3.2. A feature's row is the mean of its
    values'.

    Args:
        item_count: rows, padding row 0 included, which stays zero.
        embedding_dim: D.
        sparse: whether only looked-up rows get a gradient.
        init_std: standard deviation of the first values.
        features: None, or `token_num`, `feature_num` F and `tokens`, whose row `i·F + f` holds the values of feature f
            of item i.
    """

    def __init__(self, *, item_count, embedding_dim, sparse, init_std, features=None):
        first = nn.initializer.Normal(std=init_std)
        super().__init__(item_count, embedding_dim, padding_idx=0, sparse=sparse, weight_attr=first)
        self.feature_num = 0 if features is None else features.feature_num
        if self.feature_num:
            self.features = FeatureTable(features=features, embedding_dim=embedding_dim)
            values, offsets = (paddle.to_tensor(one, "int64") for one in features.tokens)
            self.register_buffer("token", values, persistable=False)  # [E]
            self.register_buffer("offsets", offsets, persistable=False)  # [item_count·F + 1]

    def forward(self, item):
        """Ids of any shape to rows `[..., D]`."""
        row = super().forward(item)
        if not self.feature_num:
            return row
        side, present = self.side(item.flatten())
        return (row + side.reshape(row.shape)) / (1.0 + present.reshape([*item.shape, 1]))

    def look_up(self, *items):
        """Rows `[..., D]` of each of several tensors of ids.

        With compiled passes by one look-up, so that there is one gradient; its sums differ in the last digits.
        """
        if not compiled.ON:
            return [self(item) for item in items]
        rows = self(paddle.concat([item.flatten() for item in items]))
        return compiled.Pass.apply(parts, ([item.shape for item in items],), rows)

    def side(self, item):
        """Sum over features of their rows `[N, D]`, and how many features each item has `[N]`, for ids `[N]`."""
        slot = (item.unsqueeze(1) * self.feature_num + paddle.arange(self.feature_num)).flatten()
        start = paddle.gather(self.offsets, slot)
        count = paddle.gather(self.offsets, slot + 1) - start  # [N·F]
        before = paddle.cumsum(count) - count
        shift = paddle.repeat_interleave(start - before, count)
        token = paddle.gather(self.token, paddle.arange(len(shift)) + shift) if len(shift) else shift
        mean = self.features(token, count)  # [N, F, D]
        present = (count > 0).astype(mean.dtype).reshape([-1, self.feature_num])
        return mean.sum(axis=1), present.sum(axis=1)

    def rows(self, chunk=65536):
        """All rows, `[item_count, D]`."""
        if not self.feature_num:
            return self.weight
        starts = range(0, len(self.weight), chunk)
        return paddle.concat([self(paddle.arange(one, min(one + chunk, len(self.weight)))) for one in starts])


def create_item_table(common, loss):
    """The item table of a gradient model, of its options `Common` and `Loss`."""
    return ItemTable(
        item_count=common.item_count,
        embedding_dim=common.embedding_dim,
        # Candidates that are all rows make a dense gradient anyway; a sparse one would only sort them first.
        sparse=loss.negatives != "full",
        init_std=common.embedding_dim**-0.5 if common.init_std is None else common.init_std,
        features=common.item_features,
    )
