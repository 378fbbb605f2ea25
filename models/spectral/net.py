"""A network on spectral factors, learned from users whom the factors have not seen."""

import paddle
from paddle import nn

from models.layers.functional import l2_normalize
from models.layers.tower import Tower
from models.spectral.descent import descend
from models.spectral.events import Events, some_users
from models.spectral.factors import Spectral, find_subspaces, frozen_table, in_own

BATCH = 512  # events a step
RATE = 3e-3  # learning rate of the first step; it falls as a cosine
NETWORK = 0.3  # the rate of the network's matrices, relative to that
KNOTS = 16  # of a popularity curve
SEEN = 2048  # events of a fold, for how far users' vectors spread


class SpectralNet(Spectral):
    """`Spectral` with a network for what a history means, and weights for how popular items are.

    With A = `X^-1/2 U` and E = `Y^1/2 Q S^1/2`, the factors of `Spectral`:

        u = normalised Σ_n r^n a(i(n)) A_i(n)             [R]
        v = W u + R^-1/2 · MLP(R^1/2 u)                   one hidden ReLU layer; W begins as the identity, [R]
        f(u, j) = v · b(j) E_j                            a, b: see `PopularityCurve`

    W, MLP, a and b are learned by the `Likelihood` of the next `maxlen` items, weighted by `o^n`. Then the items
    b(j) E_j are cut to K subspaces as in `Spectral`, dimensions weighted by the root of how far users' v spread
    along them; interest k is v in the basis of subspace k.

    Factors know the users that they were counted from: they put what such a user took next above nearly all else,
    and a network would learn to trust them far too much. So the users are dealt into `spectral_folds`, and each fold
    learns from factors of the others' counts (as in stacking, Wolpert 1992), turned to those of all users by the
    nearest orthogonal matrix (Schönemann 1966). They take `2·folds·item_count·R` numbers while fitting.

    Args:
        item_count: see `Recommender`.
        dropout: share of the network's inputs that a step drops.
        neg_samples: n, negatives a step.
        spectral_folds: number of folds.
        spectral_epochs: passes over all events.
        spectral_hidden: size of the hidden layer.
        options: what `Spectral` takes.
    """

    name = "spectral_net"

    def __init__(
        self,
        *,
        item_count,
        dropout=0.0,
        neg_samples=1280,
        spectral_folds=5,
        spectral_epochs=2,
        spectral_hidden=512,
        **options,
    ):
        super().__init__(item_count=item_count, **options)
        self.item_table = frozen_table(item_count, self.rank)
        self.neg_samples, self.folds, self.epochs = neg_samples, spectral_folds, spectral_epochs
        self.register_buffer("bases", paddle.zeros([self.rank, self.interest_num * self.size]))
        self.mix = self.create_parameter(
            [self.rank, self.rank], default_initializer=nn.initializer.Assign(paddle.eye(self.rank))
        )
        self.dropout = nn.Dropout(dropout)
        self.tower = Tower(input_size=self.rank, output_size=self.rank, sizes=(spectral_hidden,))
        last = self.tower.layers[-1]  # at first the network adds nothing
        last.weight.set_value(paddle.zeros_like(last.weight))

    def read(self, hist_eb, weight, seq_len):
        """Rows `[B, T, R]`, with weights `[B, 1, T]` and lengths `[B]`, as interests, side by side: `[B, K·size]`."""
        return paddle.matmul(self.encode(super().read(hist_eb, weight, seq_len)), self.bases)

    def encode(self, summed):
        """v above: `[B, R]` to `[B, R]`."""
        history, root = l2_normalize(summed), self.rank**0.5
        return paddle.matmul(history, self.mix) + self.tower(self.dropout(history * root)) / root

    def fit(self, items):
        """Factorise, find the subspaces, and learn the network; arguments and errors as in `Spectral.fit`."""
        left, right, column = self.factorise(items)
        likelihood, events = Likelihood(items.values, self.item_count), Events(items, self.maxlen)
        spread = self.learn(events, likelihood, list(self.held_out(items, right / column)))  # [R]
        every = paddle.arange(self.item_count)
        taken, wanted = (curve(every).detach().unsqueeze(1) for curve in (likelihood.taken, likelihood.wanted))
        self.cut(events, left * taken, right * wanted, column, spread)

    def cut(self, events, left, right, column, spread):
        """Find the subspaces and take all that interests are made of.

        Args:
            events: the training users'.
            left, right, column: what `factorise` gives, weighted by popularity.
            spread: what `learn` gives.
        """
        right = right * spread
        owner, bases = find_subspaces(right, self.interest_num, self.size)
        self.item_table.weight.set_value(left)
        self.bases.set_value(paddle.concat(bases, axis=1) / spread.unsqueeze(1))
        self.set_target(in_own(right / column, owner, bases), owner)

    def held_out(self, items, weighted):
        """Each fold's users, `[U]` bool, with A and E of the counts of all others, both `[item_count, R]`.

        Args:
            items: the training users' items.
            weighted: E of all users.
        """
        fold = paddle.randperm(len(items.offsets) - 1).numpy() % self.folds  # of each user
        scale = 1.0 / weighted.std()  # so that scores are about 1 at first
        for number in range(self.folds):
            own = fold == number
            left, right, column = self.factorise(some_users(items, ~own))
            right = right / column
            turn, _, back = paddle.linalg.svd(paddle.matmul(right, weighted, transpose_x=True))
            turn = paddle.matmul(turn, back)  # [R, R]
            yield paddle.to_tensor(own), paddle.matmul(left, turn), scale * paddle.matmul(right, turn)

    def learn(self, events, likelihood, folds):
        """Maximise the likelihood of what followed; arguments as `fit` makes them.

        Returns:
            How far the users' vectors spread along each dimension, `[R]`: the root of v's standard deviation.
        """
        places = [events.of(chosen) for chosen, _, _ in folds]
        if not any(len(place) for place in places):
            raise ArithmeticError("no training user has two items, so nothing follows anything; prepare other data")
        steps = self.epochs * sum(-(-len(place) // BATCH) for place in places)
        groups = [
            {"params": self.parameters(), "learning_rate": NETWORK},
            {"params": likelihood.parameters(), "learning_rate": 1.0},
        ]
        batches = (one for _ in range(self.epochs) for one in shuffled(places))
        losses = (
            self.loss_of(events, place, left, right, likelihood)
            for number, place in self.watch(batches, name="network", total=steps)
            for _, left, right in [folds[number]]
        )
        self.train()
        descend(losses, steps=steps, rate=RATE, parameters=groups)
        self.eval()
        with paddle.no_grad():
            vectors = [
                self.vectors(events, place[paddle.randperm(len(place))[:SEEN]], left, likelihood)
                for place, (_, left, _) in zip(places, folds, strict=True)
                if len(place)
            ]
        spread = paddle.concat(vectors).std(axis=0).sqrt()
        return paddle.clip(spread, min=1e-3 * float(spread.max()))  # a direction that no user has divides nothing by 0

    def vectors(self, events, place, left, likelihood):
        """v of the histories of events at places `[B]`, with a fold's A: `[B, R]`."""
        hist_item, real = events.before(place)  # [B, T]
        weight = paddle.to_tensor(self.recency) ** events.reach.astype("float32") * real.astype("float32")
        weight = weight * likelihood.taken(hist_item)
        summed = paddle.matmul(weight.unsqueeze(1), nn.functional.embedding(hist_item, left)).squeeze(1)
        return self.encode(summed)

    def loss_of(self, events, place, left, right, likelihood):
        """Mean loss of the events at places `[B]`, with a fold's A and E."""
        history = self.vectors(events, place, left, likelihood)  # [B, R]
        later, real = events.after(place)
        share = paddle.to_tensor(self.outlook) ** events.reach.astype("float32") * real.astype("float32")
        share = share / share.sum(axis=1, keepdim=True)
        score = paddle.matmul(nn.functional.embedding(later, right), history.unsqueeze(2)).squeeze(2)  # [B, T]
        negative = paddle.randint(1, self.item_count, [self.neg_samples])
        other = paddle.matmul(history, nn.functional.embedding(negative, right), transpose_y=True)  # [B, n]
        return likelihood(later, score, share, negative, other)


class Likelihood(nn.Layer):
    """How probable the next item is, from scores f.

        P(j | u) ∝ softplus(alpha f(u, j) - beta)^p         alpha, beta and p are learned

    Factors of counts are nearer to probabilities than to their logarithms, so that the softmax of f fits badly. This
    is a power of f where f is large, and a softmax where it is well below beta / alpha.

    Args:
        values: the training users' items.
        item_count: V, row 0 included.
    """

    def __init__(self, values, item_count):
        super().__init__()
        count = paddle.bincount(paddle.to_tensor(values), minlength=item_count).astype("float32")
        self.item_num = item_count - 1
        self.taken, self.wanted = PopularityCurve(count), PopularityCurve(count)
        self.shape = self.create_parameter(
            [3], default_initializer=nn.initializer.Constant(0.0)
        )  # log alpha, beta, log p

    def mass(self, item, score):
        """What probabilities are proportional to: ids, and scores before q."""
        scale, shift, power = self.shape.unbind()
        score = scale.exp() * score * self.wanted(item) - shift
        return (nn.functional.softplus(score) + 1e-6) ** power.exp()

    def forward(self, target_item, score, share, negative, other):
        """Mean cross-entropy of the items that followed.

        Args:
            target_item, score, share: what followed, its scores, and how much of an event each item is: `[B, T]`.
            negative, other: uniform negatives `[n]` and their scores `[B, n]`; they stand for the whole catalogue.
        """
        rest = self.mass(negative, other).mean(axis=1, keepdim=True) * self.item_num  # [B, 1]
        return (share * paddle.log1p(rest / self.mass(target_item, score))).sum(axis=1).mean()


class PopularityCurve(nn.Layer):
    """A weight of each item by how popular it is: the exponential of a broken line over log(1 + count).

    Args:
        count: of each item, `[V]`.
    """

    def __init__(self, count):
        super().__init__()
        log = paddle.log1p(count)
        place = (KNOTS - 1) * log / log.max()
        self.near = paddle.clip(
            1.0 - (place.unsqueeze(1) - paddle.arange(KNOTS, dtype="float32")).abs(), min=0.0
        )  # [V, KNOTS]
        self.height = self.create_parameter([KNOTS], default_initializer=nn.initializer.Constant(0.0))

    def forward(self, item):
        """Of ids `[...]`."""
        return paddle.exp(paddle.matmul(nn.functional.embedding(item, self.near), self.height))


def shuffled(places):
    """Batches of each fold's places, in any order: (fold, `[B]`)."""
    orders = [place[paddle.randperm(len(place))] for place in places]
    batches = [(number, at) for number, place in enumerate(places) for at in range(0, len(place), BATCH)]
    for index in paddle.randperm(len(batches)).tolist():
        number, at = batches[index]
        yield number, orders[number][at : at + BATCH]
