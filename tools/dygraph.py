"""The dynamic graph under PaddleRec's method names: what the trainer and infer.py do with a model."""

import paddle

from models import MODELS
from tools.config import Config, constructor_options
from tools.metrics import Metrics


class DygraphModel:
    """Builds a registered model and runs its steps in the dynamic graph."""

    def create_model(self, config: Config):
        """The model of `hyper_parameters.model`, built with the hyper-parameters that its constructor takes."""
        hyper = config.hyper_parameters
        model = MODELS[hyper.model]
        return model(**{name: getattr(hyper, name) for name in constructor_options(model) if hasattr(hyper, name)})

    def create_feeds(self, batch):
        """A training batch, arrays or tensors, as tensors: histories `[B, T]`, targets `[B]`, lengths `[B]`."""
        return [one if isinstance(one, paddle.Tensor) else paddle.to_tensor(one) for one in batch]

    def create_optimizer(self, model, config: Config, total_steps):
        """The optimizer, with its learning rate falling over `total_steps`; rows not looked up are left alone."""
        options = config.hyper_parameters.optimizer
        schedule = SCHEDULES[options.decay](options.learning_rate, options.decay_rate, total_steps)
        lazy = {"lazy_mode": True} if options.class_ == "Adam" else {}  # the other three are lazy by nature
        optimizer = getattr(paddle.optimizer, options.class_)
        return optimizer(learning_rate=schedule, parameters=model.parameters(), **lazy)

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
            hist_item, seq_len = paddle.to_tensor(batch.hist_item), paddle.to_tensor(batch.seq_len)
            return self.embed(model, hist_item, seq_len).numpy(), model.live_interests(seq_len).numpy()

    def embed(self, model, hist_item, seq_len):
        """Interests `[B, K, D]` of histories `[B, T]` and lengths `[B]`."""
        return model(hist_item, seq_len)


SCHEDULES = {
    "none": lambda rate, left, steps: rate,
    "cosine": lambda rate, left, steps: paddle.optimizer.lr.CosineAnnealingDecay(rate, steps, eta_min=rate * left),
    "linear": lambda rate, left, steps: paddle.optimizer.lr.PolynomialDecay(rate, steps, end_lr=rate * left, power=1.0),
    "exponential": lambda rate, left, steps: paddle.optimizer.lr.ExponentialDecay(rate, left ** (1.0 / steps)),
}
