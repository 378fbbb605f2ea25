"""An export with every file that one can have, made once for the tests that damage or misuse copies of it."""

from pathlib import Path

import numpy as np
import paddle
from datasets import write_features

from tools import preprocess
from tools.config.load import Config
from tools.config.schema import HyperParameters, Runner
from tools.serving import exporter
from tools.training import checkpoint
from tools.training.dygraph import DygraphModel
from tools.training.settings import load_settings

V = 31  # rows of the table
FILES = {
    "SHA256SUMS", "category_map.csv", "config.yaml", "identity.json", "index.faiss", "item_attributes.npz",
    "item_category.npy", "item_counts.npy", "item_map.csv", "item_vectors.npy", "rec.pdparams", "train/query.npz",
    "trained.yaml", "user_attributes.npz", "user_features.npy", "user_map.csv", "user_tower.json",
    "user_tower.pdiparams",
}  # fmt: skip
TITLES = [f"<i>Film</i> {item} & ${{1 + 1}} {{{{value}}}}" for item in range(V - 1)]  # what HTML must not read


def make(folder):
    """A data set, `out/best` with random weights and `out/export` in a folder; gives the checkpoint's configuration."""
    rng = np.random.default_rng(0)
    rows = [
        f"u{user},i{item},{time},c{item % 3},word{item % 5}"
        for user in range(40)
        for time, item in enumerate(rng.permutation(V - 1))
    ]
    (folder / "log.csv").write_text("\n".join(["user,item,time,category,query", *rows]))
    columns = [word for name in ("user", "item", "time", "category", "query") for word in (f"--{name}", name)]
    preprocess.main(["table", str(folder / "log.csv"), *columns, "--output", str(folder / "data")])
    write_features(folder / "data", "item", kind=[[f"k{item % 4}"] for item in range(V - 1)])
    write_features(folder / "data", "user", age=[[f"{user % 7}"] for user in range(40)])
    splits = {f"{name}_data_dir": str(folder / "data" / name) for name in ("train", "valid", "test")}
    runner = Runner(model_save_path=str(folder / "out"), top_n=[20], best_metric="recall@20", epochs=1, **splits)
    features = {"item_features": ["kind"], "user_features": ["age"], "query": True}
    config = Config(runner, HyperParameters(item_count=V, embedding_dim=8, maxlen=6, **features))
    save(config)
    exporter.export(config, folder / "out/export")
    (folder / "new.jsonl").write_text('{"item": "new", "features": {"kind": "k1"}}\n')
    (folder / "histories.jsonl").write_text('{"user": "a", "history": ["i1", "i2"]}\n')
    return str(folder / "out/best/config.yaml")


def save(config):
    """`best` with random weights, whose interests differ."""
    paddle.seed(3)
    graph = DygraphModel()
    model = graph.create_model(config)
    model.item_table.weight.set_value(model.item_table.weight * 5)
    folder = Path(config.runner.model_save_path) / "best"
    checkpoint.save(folder, model, graph.create_optimizer(model, config, 1), config, {})


def make_two(folder):
    """As `make`, with titles, and `other/export` of another model, which leaves out what was seen."""
    best = make(folder)
    kinds = [[f"k{item % 4}"] for item in range(V - 1)]
    write_features(folder / "data", "item", kind=kinds, title=[[one] for one in TITLES])
    exporter.export(load_settings(best), folder / "out/export")
    options = ["runner.filter_seen=true", "hyper_parameters.model=comirec_sa", "hyper_parameters.interest_num=3"]
    other = load_settings(best, [*options, f"runner.model_save_path={folder}/other"])
    save(other)
    exporter.export(other, folder / "other/export")
    return best
