"""The user tower of an export: the part of a model that serving runs."""

import warnings

import paddle
from paddle import nn
from paddle.static import InputSpec

from tools.common import progress
from tools.common.errors import UserError
from tools.common.output import without_line
from tools.serving import tower_files

UNASKED = b"not support input out tensor"  # Paddle's C++ says so of its own softmax, with five exclamation marks
OPSET = 17  # left to choose, paddle2onnx takes 11 for some models, where ONNX has no power of whole numbers


class UserTower(nn.Layer):
    """What serving runs of a model: ids `[B, T]` and lengths `[B]` to interests `[B, K, D]`, live mask `[B, K]` and
    coupling `[B, K, T]`.

    Args:
        model: one of `models.MODELS`.
    """

    def __init__(self, *, model):
        super().__init__()
        self.model = model
        with paddle.no_grad():
            rows = model.item_rows()  # those of items with features are made once, here
        fixed = nn.initializer.Assign(rows)
        own = model.item_table.weight
        self.rows = own if rows is own else paddle.create_parameter(rows.shape, "float32", default_initializer=fixed)

    def forward(self, hist_item, seq_len, context_eb=None):
        """Interests, which of them may be searched (a dead one is zero), and what they are made of."""
        # A look-up without padding index, since row 0 is zero: ONNX would carry a mask of the size of the table.
        hist_eb = nn.functional.embedding(hist_item, self.rows)  # [B, T, D]
        interests, coupling = self.model.route_rows(hist_eb, seq_len, context_eb)
        return interests, self.model.live_interests(seq_len), coupling


class ScoreTower(nn.Layer):
    """As `UserTower`, of a model that `gives_scores`: its one interest holds the scores of items 1…V, `[B, 1, V]`.

    Args:
        model: one of `models.MODELS`.
    """

    def __init__(self, *, model):
        super().__init__()
        self.model = model

    def forward(self, hist_item, seq_len):
        """Scores, which of them count (all), and the behaviours that they are made of."""
        scores, coupling = self.model.route(hist_item, seq_len)
        return scores, self.model.live_interests(seq_len), coupling


def save_tower(model, path, to_onnx=None):
    """Write the user tower of a model to `path`.json, `path`.pdiparams and, if asked, `path`.onnx: batches of any size.

    Arguments as in `export`.
    """
    tower = (ScoreTower if model.gives_scores else UserTower)(model=model)
    tower.eval()
    inputs = [InputSpec([None, model.maxlen], "int64", "hist_item"), InputSpec([None], "int64", "seq_len")]
    if model.context_size:
        inputs.append(InputSpec([None, model.context_size], "float32", "context_eb"))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*'place' interface")  # a question of Paddle's to itself
        with progress.stage("write the user tower"), without_line(UNASKED):
            paddle.jit.save(tower, str(path), input_spec=inputs)
    try:
        tower_files.check(path)
    except UserError as error:  # Paddle doesn't look whether what it writes arrives
        raise OSError(None, f"Paddle wrote {error}") from None
    if to_onnx:
        with progress.stage("convert the user tower to ONNX"):
            to_onnx(*(f"{path}.{suffix}" for suffix in ("json", "pdiparams", "onnx")))
        tower_files.check_onnx(f"{path}.onnx")


def onnx_converter():
    """What converts a program and its parameters to an ONNX file, three paths; a `UserError` without the extra."""
    try:
        import paddle2onnx  # type: ignore
    except ImportError:
        raise UserError("--onnx needs an extra; install it with: pip install '.[onnx]'") from None
    # Its tools for a smaller graph are off: one fails on its own pass names, the other may install packages.
    return lambda program, parameters, target: paddle2onnx.export(
        program, parameters, target, opset_version=OPSET, verbose=False, optimize_tool="None"
    )
