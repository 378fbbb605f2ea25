"""Fully connected layers on vectors."""

import paddle
from paddle import nn


class Linear(nn.Linear):
    """`x W + b`: `[..., input]` to `[..., output]`."""

    def forward(self, vector):
        """The bias is expanded by hand: the sum's own broadcast has a gradient that takes half of the tower's time."""
        product = paddle.matmul(vector, self.weight)
        return product + self.bias.expand(paddle.shape(product))


class Tower(nn.Layer):
    """ReLU layers and a linear one after them: `[..., input]` to `[..., output]`.

    Args:
        input_size, output_size: sizes of the vectors.
        sizes: sizes of the ReLU layers; empty: the linear layer alone.
    """

    def __init__(self, *, input_size, output_size, sizes=()):
        super().__init__()
        layers, size = [], input_size
        for hidden in sizes:
            layers += [Linear(size, hidden), nn.ReLU()]
            size = hidden
        self.layers = nn.Sequential(*layers, Linear(size, output_size))

    def forward(self, vector):
        """The layers, one after the other."""
        return self.layers(vector)


class ContextTower(nn.Layer):
    """A user's context, tiled and joined to each interest, through a `Tower`: MIND's H-layers (fig. 2).

    Args:
        interest_size: D, of interests before and after.
        context_size: P; 0: the interests alone go through the tower.
        sizes: see `Tower`.
    """

    def __init__(self, *, interest_size, context_size, sizes):
        super().__init__()
        self.context_size = context_size
        self.tower = Tower(input_size=interest_size + context_size, output_size=interest_size, sizes=sizes)

    def forward(self, interests, context_eb):
        """`[B, K, D]` and `[B, P]` to `[B, K, D]`."""
        if self.context_size:
            context = context_eb.unsqueeze(1).expand([-1, interests.shape[1], -1])  # [B, K, P]
            interests = paddle.concat([interests, context], axis=2)
        return self.tower(interests)
