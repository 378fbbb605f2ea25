"""Few dimensions that learn what many say: a whole model's scores and what followed, as interests and item vectors."""

import paddle
from paddle import nn

from models.losses.softmax import SoftCrossEntropy
from models.spectral.descent import descend
from models.spectral.events import passes
from models.spectral.subspaces import in_own

BATCH = 512  # events a step
CATALOGUE = 4096  # items a step, at most
RATE = 1e-2  # learning rate of the first step, relative to the size of what is learned; it falls as a cosine
TOWER = 0.3  # the rate of the hidden layer, relative to that
TARGETS = 3  # the next so many items an event
SHARPNESS = 0.7  # beta


class Student(nn.Layer):
    """Interests and item vectors that begin as a cut to subspaces and learn the scores of what was cut.

        s(u, j) = (x B + MLP(x))_k(j) · e_j          x: the user's vector, [R]; k(j): the item's interest
        P(j | u) = (1 - t) softmax_j(beta f(u, j)) + t · [j among the next n] / n       n: three, fewer at the end

    f are the scores of the whole model, the teacher. B, MLP and e are learned by the cross-entropy of softmax(beta s)
    and P, over the catalogue or a part of it drawn at random (distillation: Hinton, Vinyals and Dean 2015, eq. 1 to 4;
    with t the true labels besides). Where a few dimensions cannot say all, they say what comes out on top.

    Args:
        whole: the teacher's item vectors, `[item_count, R]`, for users' vectors that are alike in all directions.
        owner: each item's interest, `[item_count]`.
        bases: those of the K subspaces, `[R, size]`.
        tower: MLP, `[..., R]` to `[..., K·size]`; it says nothing at first.
    """

    def __init__(self, *, whole, owner, bases, tower):
        super().__init__()
        self.order = owner[1:].argsort(stable=True) + 1  # ids, those of an interest together; padding is none of them
        self.place = paddle.zeros_like(owner)  # of an id in that order
        self.place[self.order] = paddle.arange(len(self.order))
        self.owner, self.whole, self.tower = owner[self.order], whole[self.order], tower
        self.linear = self.from_value(paddle.concat(bases, axis=1))
        self.vectors = self.from_value(in_own(whole, owner, bases)[self.order])
        self.interest_num = len(bases)

    def from_value(self, value):
        """A parameter that begins so."""
        return self.create_parameter(value.shape, default_initializer=nn.initializer.Assign(value))

    def learn(self, events, users, *, epochs, truth, watch):
        """Learn from all events that have one before.

        Args:
            events: `Events`.
            users: a function from events' places `[B]` to users' vectors `[B, R]`.
            epochs: passes.
            truth: t.
            watch: see `Recommender.watch`.
        """
        every = events.of(paddle.ones([len(events.first)], dtype="bool"))
        places, steps = passes(every, epochs=epochs, size=BATCH)
        groups = [
            {"params": [weight], "learning_rate": float(weight.square().mean().sqrt())}
            for weight in (self.linear, self.vectors)
        ]
        groups.append({"params": self.tower.parameters(), "learning_rate": TOWER})
        losses = (
            self.loss_of(users(place), later, real, truth)
            for place in watch(places, name="student", total=steps)
            for later, real in [events.after(place)]
        )
        descend(losses, steps=steps, rate=RATE, parameters=groups)

    def loss_of(self, user, later, real, truth):
        """Mean cross-entropy of users `[B, R]` whose next items are `[B, T]`, where `real`."""
        real = real[:, :TARGETS].astype("float32")
        target = self.place[later[:, :TARGETS]]
        chosen = self.some(target)
        with paddle.no_grad():
            whole = nn.functional.embedding(chosen, self.whole)
            wanted = nn.functional.softmax(SHARPNESS * paddle.matmul(user, whole, transpose_y=True))
            share = truth * real / real.sum(axis=1, keepdim=True)
            wanted = paddle.put_along_axis(
                (1.0 - truth) * wanted, paddle.searchsorted(chosen, target), share, axis=1, reduce="add"
            )
        return SoftCrossEntropy.apply(SHARPNESS * self.scores(user, chosen), wanted).mean()

    def some(self, target):
        """Places of all items, or of so many and the targets' `[B, T]`, rising: `[n]`."""
        if len(self.order) <= CATALOGUE:
            return paddle.arange(len(self.order))
        return paddle.unique(paddle.concat([paddle.randint(0, len(self.order), [CATALOGUE]), target.flatten()]))

    def scores(self, user, chosen):
        """Of users `[B, R]` and items at places `[n]`, rising, each with its own interest: `[B, n]`."""
        interests = (paddle.matmul(user, self.linear) + self.tower(user)).split(self.interest_num, axis=1)
        number = nn.functional.one_hot(self.owner[chosen], self.interest_num).sum(axis=0).astype("int64")
        items = nn.functional.embedding(chosen, self.vectors).split(number.tolist())
        pairs = [(interest, item) for interest, item in zip(interests, items, strict=True) if len(item)]
        return paddle.concat([paddle.matmul(interest, item, transpose_y=True) for interest, item in pairs], axis=1)

    def item_vectors(self):
        """e, `[item_count, size]`, row 0 zero."""
        return nn.functional.pad(self.vectors[self.place[1:]], [1, 0, 0, 0])
