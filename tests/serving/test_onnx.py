"""The user tower as ONNX, through the extra: what onnxruntime computes is what the model computes."""

import numpy as np
import pytest
from towers import CASES, check_outputs, eager

from models import MODELS
from tools import export
from tools.config.load import constructor_options
from tools.training import checkpoint
from tools.training.dygraph import DygraphModel

pytestmark = pytest.mark.extras

V, T = 60, 6


@pytest.mark.parametrize("name, options", CASES)
def test_onnxruntime_agrees_with_the_model(name, options, settings, tmp_path):
    import onnxruntime

    options = options | {"embedding_dim": 8} if "embedding_dim" in constructor_options(MODELS[name]) else {}
    config = settings(tmp_path, model=name, item_count=V, maxlen=T, model_save_path=str(tmp_path), **options)
    graph = DygraphModel()
    model = graph.create_model(config)
    checkpoint.save(tmp_path / "best", model, graph.create_optimizer(model, config, 1), config, {})
    export.main(["-m", str(tmp_path / "best/config.yaml"), "--onnx"])
    session = onnxruntime.InferenceSession(str(tmp_path / "export/user_tower.onnx"))
    assert [one.name for one in session.get_inputs()] == ["hist_item", "seq_len"]
    model.eval()
    rng = np.random.default_rng(0)
    for users in (1, 7):
        seq_len = rng.integers(1, T + 1, users)
        hist_item = np.where(np.arange(T) < seq_len[:, None], rng.integers(1, V, (users, T)), 0)
        outputs = session.run(None, {"hist_item": hist_item, "seq_len": seq_len})
        check_outputs(outputs, eager(model, hist_item, seq_len))


def test_onnx_holds_the_item_table_once(settings, tmp_path):
    rows = 5000
    config = settings(tmp_path, item_count=rows, embedding_dim=8, maxlen=T, model_save_path=str(tmp_path))
    graph = DygraphModel()
    model = graph.create_model(config)
    checkpoint.save(tmp_path / "best", model, graph.create_optimizer(model, config, 1), config, {})
    export.main(["-m", str(tmp_path / "best/config.yaml"), "--onnx"])
    assert (tmp_path / "export/user_tower.onnx").stat().st_size < 1.5 * rows * 8 * 4
