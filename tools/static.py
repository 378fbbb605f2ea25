"""The static graph under PaddleRec's method names: the same layer, with what follows the look-up run as a program."""

import warnings

import paddle
from paddle.static import InputSpec

from tools.config import Config
from tools.dygraph import DygraphModel


class StaticModel(DygraphModel):
    """Trains and embeds with programs that Paddle makes of the model's own methods.

    The look-up and the update of looked-up rows stay outside: inside a program `embedding_grad` is dense on Paddle 3,
    so that a step's time would grow with the catalogue. All else, to the loss, is one program, run with its gradient.
    Parameters, optimizer and draws are those of the dynamic graph, and so are losses and checkpoints.
    """

    def create_model(self, config: Config):
        """The dynamic graph's model, and its programs `net` and `infer_net`, made at their first call."""
        model = super().create_model(config)
        hyper = config.hyper_parameters
        # One operator after another: handing each to a thread pool, the default, costs a small step a sixth of it.
        paddle.set_flags({"FLAGS_enable_pir_in_executor_trace_run": True})
        warnings.filterwarnings("ignore", message="Tensor do not have 'place' interface")  # Paddle's own `where` asks
        rows = [InputSpec([None, *shape, hyper.embedding_dim]) for shape in ([hyper.maxlen], [], [])]
        ids = [InputSpec([None], "int64")] * 3
        self.net = paddle.jit.to_static(model.loss_from_rows, [*rows, *ids], full_graph=True)
        self.infer_net = paddle.jit.to_static(model.route_rows, [rows[0], ids[0]], full_graph=True)
        return model

    def train_forward(self, model, batch):
        """Mean loss of a training batch, a scalar, by the program `net`."""
        return self.net(*model.look_up(*self.create_feeds(batch)))

    def embed(self, model, hist_item, seq_len):
        """Interests `[B, K, D]` of histories `[B, T]` and lengths `[B]`, by the program `infer_net`."""
        return self.infer_net(model.item_table(hist_item), seq_len)[0]


GRAPHS = {"dynamic": DygraphModel, "static": StaticModel}
