"""A network on spectral factors, learned from users whom the factors have not seen."""

from dataclasses import dataclass

import paddle
from paddle import nn

from models.base.keywords import flat_options, option
from models.layers.functional import l2_normalize
from models.layers.tower import Tower
from models.spectral.descent import descend
from models.spectral.events import Events, some_users
from models.spectral.factors import Factors, SpectralModel
from models.spectral.likelihood import Likelihood
from models.spectral.subspaces import find_subspaces, in_own

BATCH = 512  # events a step
RATE = 3e-3  # learning rate of the first step; it falls as a cosine
NETWORK = 0.3  # the rate of the network's matrices, relative to that
SEEN = 2048  # events of a fold, for how far users' vectors spread


@dataclass(frozen=True, kw_only=True)
class Network:
    """How the network is shaped and learned."""

    dropout: float = option("share of the network's inputs that a step drops", default=0.0)
    neg_samples: int = option("negatives a step, shared by the batch", default=1280)
    spectral_folds: int = option("folds of users; each is trained on the counts of the others", default=5)
    spectral_epochs: int = option("passes of the network over all events; 0: no network", default=2)
    spectral_hidden: int = option("size of the network's hidden layer", default=512)


class NetworkModel(SpectralModel):
    """What `SpectralNet` and `SpectralMix` have in common: the network, and how it is learned.

    Args:
        factors, network: options.
        extra: values of a row, and of a user's vector, beside the R of the factors.
    """

    def __init__(self, factors: Factors, network: Network, *, extra=0):
        super().__init__(factors, row_size=factors.rank + extra)
        self.neg_samples, self.folds = network.neg_samples, network.spectral_folds
        self.epochs = network.spectral_epochs
        self.register_buffer("bases", paddle.zeros([self.rank + extra, self.interest_num * self.size]))
        self.mix = self.create_parameter(
            [self.rank, self.rank], default_initializer=nn.initializer.Assign(paddle.eye(self.rank))
        )
        self.dropout = nn.Dropout(network.dropout)
        self.tower = Tower(input_size=self.rank, output_size=self.rank, sizes=(network.spectral_hidden,))
        silence(self.tower)

    def encode(self, summed):
        """v, see `SpectralNet`: `[B, R]` to `[B, R]`."""
        history, root = l2_normalize(summed), self.rank**0.5
        return paddle.matmul(history, self.mix) + self.tower(self.dropout(history * root)) / root

    def fit(self, items):
        """Factorise, find the subspaces, and learn the network; arguments and errors as in `Spectral.fit`."""
        left, right, column = self.factorise(items)
        likelihood, events = Likelihood(items.values, self.item_count), Events(items, self.maxlen)
        weighted = right / column
        if self.epochs:
            folds = list(self.held_out(items, weighted))
        else:  # nothing is learned, so nobody's own factors can mislead
            folds = [(paddle.ones([len(items.offsets) - 1], "bool"), left, weighted)]
        spread = self.learn(events, likelihood, folds)  # [R]
        every = paddle.arange(self.item_count)
        taken, wanted = (curve(every).detach().unsqueeze(1) for curve in (likelihood.taken, likelihood.wanted))
        self.cut(events, left * taken, right * wanted, column, spread)

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


@flat_options
class SpectralNet(NetworkModel):
    """`Spectral` with a network for what a history means, and weights for how popular items are. Ours, from no paper.

    With A = `X^-1/2 U` and E = `Y^1/2 Q S^1/2`, the factors of `Spectral`:

        u       = normalised Σ_n r^n a(i(n)) A_i(n)                         [R]; a, b: see `PopularityCurve`
        v       = W u + R^-1/2 · MLP(R^1/2 u)                               `encode`; one ReLU layer, W begins as I; [R]
        f(u, j) = v · b(j) E_j
        P(j|u)  ∝ softplus(alpha f(u, j) - beta)^p                          `Likelihood`

    W, MLP, a and b are learned by the `Likelihood` of the next `maxlen` items, weighted by `o^n` (`learn`). Then the
    items b(j) E_j are cut to K subspaces as in `Spectral`, dimensions weighted by the root of how far users' v spread
    along them (`cut`); interest k is v in the basis of subspace k (`read`).

    Factors know the users that they were counted from: they put what such a user took next above nearly all else,
    and a network would learn to trust them far too much. So the users are dealt into `spectral_folds`, and each fold
    learns from factors of the others' counts (as in stacking, Wolpert 1992), turned to those of all users by the
    nearest orthogonal matrix (Schönemann 1966; `held_out`). They take `2·folds·item_count·R` numbers while fitting.
    """

    name = "spectral_net"

    def __init__(self, factors: Factors, network: Network):
        super().__init__(factors, network)

    def read(self, hist_eb, weight, seq_len):
        """Rows `[B, T, R]`, with weights `[B, 1, T]` and lengths `[B]`, as interests, side by side: `[B, K·size]`."""
        return paddle.matmul(self.encode(super().read(hist_eb, weight, seq_len)), self.bases)

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


def shuffled(places):
    """Batches of each fold's places, in any order: (fold, `[B]`)."""
    orders = [place[paddle.randperm(len(place))] for place in places]
    batches = [(number, at) for number, place in enumerate(places) for at in range(0, len(place), BATCH)]
    for index in paddle.randperm(len(batches)).tolist():
        number, at = batches[index]
        yield number, orders[number][at : at + BATCH]


def silence(tower):
    """Let a tower add nothing until it has learned: its last layer gives zeros."""
    last = tower.layers[-1]
    last.weight.set_value(paddle.zeros_like(last.weight))
