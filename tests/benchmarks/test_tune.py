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
