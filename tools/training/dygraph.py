"""The dynamic graph under PaddleRec's method names: what the trainer and infer.py do with a model."""

from functools import partial

import paddle

from models import MODELS
from models.layers import compiled
from tools.common.errors import UserError
from tools.config.load import Config, constructor_options
from tools.data.features import context_features, item_features
from tools.evaluation.metrics import Metrics
from tools.retrieval.exact import exact
from tools.retrieval.retriever import Retriever
from tools.training import memory
from tools.training.optimizers import OPTIMIZERS


class DygraphModel:
    """Builds a registered model and runs its steps in the dynamic graph."""

    def create_model(self, config: Config):
        """The model of `hyper_parameters.model`, built with the hyper-parameters that its constructor takes."""
        memory.check(config, training=False)
        hyper, model = config.hyper_parameters, MODELS[config.hyper_parameters.model]
        options = {name: getattr(hyper, name) for name in constructor_options(model) if hasattr(hyper, name)}
        for name in options.keys() & FEATURES.keys():  # the configuration names them, the model takes what they hold
            options[name] = FEATURES[name](config.features)
        return model(**options)

    def create_feeds(self, batch):
        """A training batch, arrays or tensors, as tensors: histories, targets, lengths and, with features, context."""
        return [one if isinstance(one, paddle.Tensor) else paddle.to_tensor(one) for one in batch]

    def create_optimizer(self, model, config: Config, total_steps):
        """The optimizer, with its learning rate falling over `total_steps`; rows not looked up are left alone.

        None for a model that brings its own `fit`, which may run compiled passes too.
        """
        try:
            compiled.turn_on(config.runner.compiled)
        except ImportError:
            raise UserError("runner.compiled: true needs an extra; install it with: pip install '.[speed]'") from None
        if hasattr(model, "fit"):
            return None
        options = config.hyper_parameters.optimizer
        schedule = SCHEDULES[options.decay](options.learning_rate, options.decay_rate, total_steps)
        return OPTIMIZERS[options.class_](learning_rate=schedule, parameters=model.parameters())

    def create_metrics(self, config: Config):
        """An empty accumulator of the metrics at `runner.top_n`."""
        return Metrics(config.runner.top_n)

    def train_forward(self, model, batch):
        """Mean loss of a training batch, a scalar."""
        return model.loss(*self.create_feeds(batch))

    def infer_forward(self, model, batch):
        """Interests `[B, K, D]` and live mask `[B, K]` of an evaluation batch, as arrays."""
        model.eval()
        with paddle.no_grad():
            histories = self.create_feeds([batch.hist_item, batch.seq_len, *batch.context])
            return self.embed(model, *histories).numpy(), model.live_interests(histories[1]).numpy()

    def embed(self, model, hist_item, seq_len, *context):
        """Interests `[B, K, D]` of histories `[B, T]`, lengths `[B]` and, with features, their context."""
        return model(hist_item, seq_len, *context)

    def create_retriever(self, model, index_of=exact) -> Retriever:
        """Search among the model's items, or for the best of the scores that it gives.

        Args:
            model: the model.
            index_of: item vectors `[item_count, D]` to the index that is searched.
        """
        if model.gives_scores:
            return Retriever.of_scores(model.item_count - 1)
        with paddle.no_grad():
            return Retriever(index=index_of(_vectors(model)), vectors=partial(_vectors, model))


def _vectors(model):
    """Item vectors, made again where they are needed once more: they are as large as the table."""
    with paddle.no_grad():
        return model.item_vectors().numpy()


FEATURES = {"item_features": item_features, "user_features": context_features}


SCHEDULES = {
    "none": lambda rate, left, steps: rate,
    "cosine": lambda rate, left, steps: paddle.optimizer.lr.CosineAnnealingDecay(rate, steps, eta_min=rate * left),
    "linear": lambda rate, left, steps: paddle.optimizer.lr.PolynomialDecay(rate, steps, end_lr=rate * left, power=1.0),
    "exponential": lambda rate, left, steps: paddle.optimizer.lr.ExponentialDecay(rate, left ** (1.0 / steps)),
}
