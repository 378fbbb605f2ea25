"""The controllable study: infer.py and tools.predict with `runner.diversity_lambda`."""

import csv
import json
import logging

import numpy as np
import paddle
import pytest
from datasets import histories_of_test

import infer
from benchmarks.quality.results import shown
from tools import export, predict
from tools.retrieval.retriever import Retriever
from tools.training import checkpoint
from tools.training.dygraph import DygraphModel

V, D, T = 61, 8, 6


@pytest.fixture
def study(write_dataset, tmp_path, settings):
    """`study(diversity_lambda=[.1])`: the yaml of a checkpoint with random weights, on 60 items of 4 categories."""

    def build(categories=True, **values):
        rng = np.random.default_rng(0)
        folder = write_dataset({f"u{n}": [f"i{item}" for item in rng.permutation(60)[:20]] for n in range(60)})
        if categories:
            np.save(folder / "item_category.npy", rng.integers(-1, 4, V).astype(np.int32))
        values = {"top_n": [5, 20], "best_metric": "recall@20", "filter_seen": True} | values
        config = settings(
            folder, item_count=V, embedding_dim=D, maxlen=T, model_save_path=str(tmp_path / "out"), **values
        )
        paddle.seed(3)
        graph = DygraphModel()
        model = graph.create_model(config)
        model.item_table.weight.set_value(model.item_table.weight * 5)  # interests that differ
        checkpoint.save(tmp_path / "out/best", model, graph.create_optimizer(model, config, 1), config, {})
        return str(tmp_path / "out/best/config.yaml")

    return build


def rows_of(tmp_path):
    return json.loads((tmp_path / "out/metrics.json").read_text())


def test_one_search_gives_a_row_for_each_lambda_the_plain_one_first(study, tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    searched, search = [], Retriever.search
    monkeypatch.setattr(Retriever, "search", lambda *args: searched.append(args[3]) or search(*args))
    config = study(diversity_lambda=[0.5, 0.0, 5.0, 0.5], infer_batch_size=4)
    infer.main(["-m", config])
    # 6 users in 2 batches; then MostPop's one interest, which does with T more candidates for 16 seen items or not.
    assert searched == [20 + T] * 2 + [20 + T, 20 + 16] * 2
    rows = rows_of(tmp_path)
    assert list(rows) == ["mind best", "mind best lambda 0.5", "mind best lambda 5.0", "MostPop"]
    plain, some, more, popular = rows.values()
    assert plain["diversity@20"] < some["diversity@20"] <= more["diversity@20"]
    assert {"diversity@5", "coverage@5", "interval", "by_history", "by_popularity"} <= set(popular)
    table = caplog.text[caplog.text.index("test, 6 users, percent") :].splitlines()
    names = ("recall", "ndcg", "hitrate", "diversity", "coverage")
    assert {f"{name}@{n}" for name in names for n in (5, 20)} == set(table[1].split())
    assert [line.split("  ")[0] for line in table[2:6]] == list(rows)
    infer.main(["-m", config, "-o", "runner.diversity_lambda=[]"])
    assert rows_of(tmp_path) == {"mind best": plain, "MostPop": popular}


def test_metrics_json_keeps_its_keys_and_has_intervals_and_splits(study, tmp_path):
    infer.main(["-m", study(), "-top_n", "3", "20", "10"])
    row = rows_of(tmp_path)["mind best"]
    assert shown(row).keys() == {
        *(f"{name}@{n}" for n in (3, 10, 20) for name in ("recall", "ndcg", "hitrate")),
        "interest_similarity",
        "norm_spread",
    }
    for name, (low, high) in row["interval"].items():
        assert low <= row[name] <= high
    assert row["by_history"].keys() == {"10-19"}
    assert row["by_history"]["10-19"]["recall@20"] == row["recall@20"]
    assert all(0 <= one["recall@3"] <= one["recall@20"] <= 1 for one in row["by_popularity"].values())


def test_without_categories_there_is_no_diversity_and_a_lambda_is_an_error(study, tmp_path, capsys):
    config = study(categories=False)
    infer.main(["-m", config])
    assert not [name for name in rows_of(tmp_path)["mind best"] if name.startswith("diversity")]
    with pytest.raises(SystemExit) as end:
        infer.main(["-m", config, "-o", "runner.diversity_lambda=0.2"])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "error: runner.diversity_lambda: 0.2 needs the categories of items" in said
    assert "run tools.preprocess with --category, or remove the key" in said


@pytest.mark.parametrize(
    "value, message",
    [
        ("-0.1", "-0.1 is out of range; it must be at least 0"),
        ("[.inf]", "inf is not finite; write a number"),
        ("much", "'much' is of type str; write a number"),
    ],
)
def test_wrong_lambdas_are_named(value, message, study, capsys):
    with pytest.raises(SystemExit) as end:
        infer.main(["-m", study(), "-o", f"runner.diversity_lambda={value}"])
    assert end.value.code == 2
    assert f"runner.diversity_lambda: {message}" in capsys.readouterr().err


@pytest.mark.parametrize("lambdas", [[0.5, 0.1], [0.0, 0.5], []])
@pytest.mark.slow
def test_predict_and_recommend_give_the_first_lambda(lambdas, study, tmp_path, capsys):
    config = study(diversity_lambda=lambdas)
    infer.main(["-m", config, "--recommend", str(tmp_path / "table.csv")])
    export.main(["-m", config])
    _, text = histories_of_test(tmp_path / "data", V)
    (tmp_path / "test.jsonl").write_text(text)
    capsys.readouterr()
    predict.main([str(tmp_path / "out/export"), str(tmp_path / "test.jsonl"), "--top_n", "20"])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    rows = [[one["user"], str(rank), item["item"]] for one in found for rank, item in enumerate(one["items"], 1)]
    with open(tmp_path / "table.csv", newline="") as file:
        assert rows == [row[:3] for row in list(csv.reader(file))[1:]]
    falling = all(np.all(np.diff([item["score"] for item in one["items"]]) <= 0) for one in found)
    assert falling == (not any(lambdas[:1]))


def test_predict_names_missing_categories(study, tmp_path, capsys):
    export.main(["-m", study(categories=False, diversity_lambda=[0.5])])
    (tmp_path / "one.jsonl").write_text('{"user": "u", "history": ["i1"]}')
    with pytest.raises(SystemExit) as end:
        predict.main([str(tmp_path / "out/export"), str(tmp_path / "one.jsonl")])
    assert end.value.code == 2
    assert "0.5 needs the categories of items, and there is no" in capsys.readouterr().err
