"""The static graph under PaddleRec's method names: the same layer, with what follows the look-up run as a program."""

import warnings

import paddle
from paddle.static import InputSpec

from models.layers.compiled import usable
from tools.config.load import Config
from tools.training.dygraph import DygraphModel
from tools.training.runtime import keep_arrays


class StaticModel(DygraphModel):
    """Trains and embeds with programs that Paddle makes of the model's own methods.

    The look-up and the update of looked-up rows stay outside: inside a program `embedding_grad` is dense on Paddle 3,
    so that a step's time would grow with the catalogue. So does the objective, which numba's pass can then take. All
    between is one program, run with its gradient.
    Parameters, optimizer and draws are those of the dynamic graph, and so are losses and checkpoints.
    """

    def create_model(self, config: Config):
        """The dynamic graph's model, and its programs `net` and `infer_net`, made at their first call."""
        model = super().create_model(config)
        hyper = config.hyper_parameters
        # One operator after another: handing each to a thread pool, the default, costs a small step a sixth of it.
        paddle.set_flags({"FLAGS_enable_pir_in_executor_trace_run": True})
        if not config.runner.use_gpu:  # where memory is short
            keep_arrays()
        warnings.filterwarnings("ignore", message="Tensor do not have 'place' interface")  # Paddle's own `where` asks
        # Of histories, targets and candidates, after their first axis.
        targets = 1 if getattr(model, "all_positions", False) else hyper.targets
        shapes: tuple[list[int], ...] = ([hyper.maxlen], [targets], [])
        rows = [InputSpec([None, *shape, hyper.embedding_dim]) for shape in shapes]
        ids = [InputSpec([None, *shape], "int64") for shape in shapes]
        seq_len = InputSpec([None], "int64")
        context = [InputSpec([None, model.context_size])] if model.context_size else []
        self.net = paddle.jit.to_static(model.users_from_rows, [*rows, *ids, seq_len, *context], full_graph=True)
        self.infer_net = paddle.jit.to_static(model.route_rows, [rows[0], seq_len, *context], full_graph=True)
        return model

    def train_forward(self, model, batch):
        """Mean loss of a training batch, a scalar: to the users by the program `net`.

        An extractor's compiled pass cannot stand in a program, and little is left for one beside it.
        """
        if model.extractor.compiles and usable(model.item_table.weight):
            return super().train_forward(model, batch)
        step = model.look_up(*self.create_feeds(batch))
        return model.loss_of_users(*self.net(*step), *step[4:6])

    def embed(self, model, hist_item, seq_len, *context):
        """Interests `[B, K, D]` of histories `[B, T]`, lengths and context, by the program `infer_net`."""
        context_eb = model.embed_context(len(hist_item), *context)
        rows = [model.item_table(hist_item), seq_len]
        return self.infer_net(*rows if context_eb is None else (*rows, context_eb))[0]


GRAPHS = {"dynamic": DygraphModel, "static": StaticModel}
