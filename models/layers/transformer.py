"""A transformer over histories that looks back only."""

import paddle
from paddle import nn

from models.layers.extractor import Extractor
from models.layers.tower import Linear


class CausalTransformer(Extractor):
    """States after each behaviour; the last one is the interest.

        x       = dropout(sqrt(D) e_t + p_t)                               p: learned positions
        x       ← x + dropout(attention(norm(x)))                          SASRec eq. 3 to 5, over t' <= t
        x       ← x + dropout(W2 relu(W1 norm(x)))                         SASRec eq. 6, W1 and W2 of D·D
        state   = norm(x)

    Most histories are short, and most of `[B, T]` is padding. So real behaviours alone are computed, N in a batch, and
    several histories share a row of the attention, see `Layout`.

    Args:
        hidden_size: D, of behaviours and states.
        seq_len: T, the longest history.
        blocks: how often attention and the layers after it stand behind each other.
        heads: H, of the attention; they divide D.
        dropout: share of values set to 0 in a step.

    Raises:
        ValueError: where the heads don't divide D.
    """

    def __init__(self, *, hidden_size, seq_len, blocks, heads, dropout):
        super().__init__()
        if hidden_size % heads:
            raise ValueError(f"transformer_heads {heads} does not divide embedding_dim {hidden_size}")
        scale = nn.initializer.Normal(std=hidden_size**-0.5)
        self.position = self.create_parameter([seq_len, hidden_size], default_initializer=scale)
        options = {"hidden_size": hidden_size, "heads": heads, "dropout": dropout}
        self.blocks = nn.LayerList([Block(**options) for _ in range(blocks)])
        self.norm, self.dropout = nn.LayerNorm(hidden_size), nn.Dropout(dropout)
        self.hidden_size = hidden_size

    def route(self, item_eb, mask):
        """The state after the last behaviour `[B, 1, D]`, zero for an empty history, and its attention `[B, 1, T]`."""
        states, layout, attention = self.read(item_eb, mask)
        some = (layout.length > 0).astype(item_eb.dtype).unsqueeze(1)  # [B, 1]
        last = paddle.gather(nn.functional.pad(states, [0, 1, 0, 0]), layout.last(), axis=0) * some
        return last.unsqueeze(1), (layout.last_row(attention.mean(axis=1)) * mask).unsqueeze(1)

    def read(self, item_eb, mask):
        """The state after each real behaviour, user after user.

        Args:
            item_eb, mask: `[B, T, D]`, `[B, T]`.

        Returns:
            States `[N, D]`, their `Layout`, and the last block's attention `[R, H, W, W]`.
        """
        layout = Layout(mask)
        x = paddle.gather(item_eb.reshape([-1, self.hidden_size]), layout.place) * self.hidden_size**0.5  # [N, D]
        x = self.dropout(x + paddle.gather(self.position, layout.step))
        hidden = layout.hidden()
        for block in self.blocks:
            x, attention = block(x, layout, hidden)
        return self.norm(x), layout, attention


def create_transformer(common, transformer):
    """The transformer of a gradient model, of its options `Common` and `Transformer`."""
    return CausalTransformer(
        hidden_size=common.embedding_dim,
        seq_len=common.maxlen,
        blocks=transformer.transformer_blocks,
        heads=transformer.transformer_heads,
        dropout=common.dropout,
    )


class Layout:
    """Histories side by side in R rows of W places, where W is a power of two, T or above.

    A history of n behaviours has a cell of 2^k >= n places; the large cells come first, so that none is cut by the end
    of a row.

    Args:
        mask: `[B, T]`, 1 where real; padding is on the right.
    """

    def __init__(self, mask):
        self.longest = mask.shape[1]  # T
        self.length = mask.sum(axis=1).astype("int64")  # [B]
        self.place = paddle.nonzero(mask.flatten()).flatten()  # [N] of B·T
        self.user, self.step = self.place // self.longest, self.place % self.longest  # [N]
        size, self.width = paddle.ones_like(self.length), 1
        while self.width < self.longest:
            size = paddle.where(self.length > self.width, paddle.full_like(size, 2 * self.width), size)
            self.width *= 2
        order = paddle.argsort(-size)
        before = paddle.cumsum(size[order]) - size[order]
        self.begin = before[paddle.argsort(order)]  # [B] of R·W
        self.slot = paddle.gather(self.begin, self.user) + self.step  # [N] of R·W
        self.rows = (size.sum() + self.width - 1) // self.width

    def spread(self, packed):
        """`[N, D]` to `[R, W, D]`, zero where nobody is."""
        size = packed.shape[1]
        zero = paddle.zeros([self.rows * self.width, size], packed.dtype)
        return paddle.scatter(zero, self.slot, packed).reshape([-1, self.width, size])

    def pack(self, spread):
        """`[R, W, D]` to `[N, D]`."""
        return paddle.gather(spread.flatten(0, 1), self.slot)

    def unpack(self, packed):
        """`[N, D]` to `[B, T, D]`, zero at padding."""
        size = packed.shape[1]
        zero = paddle.zeros([paddle.shape(self.length)[0] * self.longest, size], packed.dtype)
        return paddle.scatter(zero, self.place, packed).reshape([-1, self.longest, size])

    def hidden(self):
        """What is added to attention's scores, `[R, 1, W, W]`: very little where one looks ahead, or at others."""
        owner = self.spread((self.user + 1).astype("float32").unsqueeze(1)).squeeze(2)  # [R, W]
        square = [-1, self.width, self.width]
        same = (owner.unsqueeze(1).expand(square) == owner.unsqueeze(2).expand(square)).astype("float32")
        # Not -inf: on a CPU, Paddle's softmax of it is not 0.
        return ((1.0 - same * paddle.tril(paddle.ones([self.width, self.width]))) * -1e30).unsqueeze(1)

    def last(self):
        """Which of N is each user's last behaviour, `[B]`; some other one where there is none."""
        return paddle.clip(paddle.cumsum(self.length) - 1, min=0)

    def last_row(self, attention):
        """The attention `[R, W, W]` of each user's last behaviour over the history, `[B, T]`."""
        own = paddle.gather(attention.flatten(0, 1), self.begin + paddle.clip(self.length - 1, min=0))  # [B, W]
        column = (self.begin % self.width).unsqueeze(1) + paddle.arange(self.longest)
        return paddle.take_along_axis(own, paddle.clip(column, max=self.width - 1), axis=1)


class Block(nn.Layer):
    """Attention and two layers after it, each added to what it reads; see `CausalTransformer`."""

    def __init__(self, *, hidden_size, heads, dropout):
        super().__init__()
        self.heads, self.size = heads, hidden_size // heads
        self.attention_norm, self.layer_norm = nn.LayerNorm(hidden_size), nn.LayerNorm(hidden_size)
        self.query, self.key, self.value = (Linear(hidden_size, hidden_size) for _ in range(3))
        self.join = Linear(hidden_size, hidden_size)
        self.linear1, self.linear2 = Linear(hidden_size, hidden_size), Linear(hidden_size, hidden_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, layout, hidden):
        """`[N, D]` and what is added to the scores to `[N, D]` and the attention `[R, H, W, W]`."""
        read = self.attention_norm(x)
        query = self.split(layout.spread(self.query(read) * self.size**-0.5))  # [R, H, W, D/H]
        key, value = self.split(layout.spread(self.key(read))), self.split(layout.spread(self.value(read)))
        attention = nn.functional.softmax(paddle.matmul(query, key, transpose_y=True) + hidden)  # [R, H, W, W]
        mixed = paddle.matmul(self.dropout(attention), value).transpose([0, 2, 1, 3]).flatten(2)  # [R, W, D]
        x = x + self.dropout(self.join(layout.pack(mixed)))
        inner = self.dropout(nn.functional.relu(self.linear1(self.layer_norm(x))))
        return x + self.dropout(self.linear2(inner)), attention

    def split(self, whole):
        """`[R, W, D]` by heads: `[R, H, W, D/H]`."""
        return whole.reshape([0, 0, self.heads, self.size]).transpose([0, 2, 1, 3])
