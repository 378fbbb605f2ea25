"""Tuning runs: a row each, none twice, and nothing of the test split."""

import json
import shutil

import pytest

from benchmarks.quality import tune


@pytest.fixture
def config(tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "OUTPUT", tmp_path / "tuning")
    shutil.rmtree(tmp_path / "data" / "test")  # nothing may read it
    return tiny_config


@pytest.mark.slow
def test_each_variant_is_run_once_and_kept(config, tmp_path, capsys, monkeypatch):
    results = tmp_path / "tuning.jsonl"
    arguments = [str(config), "-o", "hyper_parameters.dropout=0.1", "--results", str(results)]
    grid = ["--grid", "runner.seed=1,2", "hyper_parameters.temperature=0.5,1.0"]
    tune.main([*arguments, *grid])
    printed = capsys.readouterr().out.splitlines()
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert len(rows) == len(printed) == 4
    assert {(row["seed"], row["resolved"]["hyper_parameters.temperature"]) for row in rows} == {
        (1, 0.5), (1, 1.0), (2, 0.5), (2, 1.0),
    }  # fmt: skip
    assert all(row["resolved"]["hyper_parameters.dropout"] == 0.1 and "recall@50" in row["valid"] for row in rows)
    assert not (tmp_path / "tuning").exists()
    monkeypatch.setattr(tune.trainer, "main", None)  # a run would fail now
    tune.main([*arguments, *grid])
    assert capsys.readouterr().out.splitlines() == printed
    assert len(results.read_text().splitlines()) == 4


def test_a_wrong_value_shows_before_the_first_run(config, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        tune.main([str(config), "--grid", "runner.seed=1,x", "--results", str(tmp_path / "tuning.jsonl")])
    assert end.value.code == 2
    assert "-o runner.seed=x: runner.seed: 'x' is of type str; write a whole number" in capsys.readouterr().err
    assert not (tmp_path / "tuning.jsonl").exists()


def test_the_best_metric_ranks_and_nothing_else(config, tmp_path, capsys):
    """A collapsed model has the largest value of all: interests that are alike."""
    values = {1: {"ndcg@5": 0.2, "interest_similarity": 1.0}, 2: {"ndcg@5": 0.3, "interest_similarity": 0.1}}
    values[3] = {"ndcg@5": float("nan"), "interest_similarity": 0.5}
    options = ["runner.top_n=5", "runner.best_metric=ndcg@5"]  # and no list of 50
    rows = []
    for seed, valid in values.items():
        overrides = [*options, f"runner.seed={seed}"]
        resolved = tune.portable(tune.load_settings(config, overrides, tune.MODELS))
        rows.append({"overrides": overrides, "valid": valid, "best_step": 1, "seconds": 1, "resolved": resolved})
    (tmp_path / "tuning.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    arguments = [
        str(config),
        "-o",
        *options,
        "--grid",
        "runner.seed=1,2,3",
        "--results",
        str(tmp_path / "tuning.jsonl"),
    ]
    tune.main(arguments)
    printed = capsys.readouterr().out.splitlines()
    assert [line.rpartition("=")[2] for line in printed] == ["2", "1", "3"]
    assert printed[0].startswith("ndcg@5 30.00 %, interest_similarity 0.1000")


def test_runs_that_are_chosen_by_different_metrics_cannot_be_compared(config, tmp_path, capsys):
    grid = ["--grid", "runner.best_metric=recall@20,ndcg@20", "--results", str(tmp_path / "tuning.jsonl")]
    with pytest.raises(SystemExit) as end:
        tune.main([str(config), *grid])
    assert end.value.code == 2
    assert "--grid: ndcg@20 and recall@20 cannot be compared; give one runner.best_metric" in capsys.readouterr().err
