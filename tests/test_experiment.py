"""Systems compared over seeds: each run once, tables that say what was measured, nothing appended elsewhere."""

import csv
import json
import statistics

import numpy as np
import pytest
import yaml

from tools import experiment
from tools.common.replacing import writing
from tools.common.tables import latex
from tools.training.interrupt import Interrupted

OPTIONS = ["--seeds", "2", "-o", "runner.top_n=[5]", "runner.best_metric=recall@5", "runner.epochs=1"]


@pytest.fixture
def compare(tiny_config, tmp_path, capsys):
    def run(*options, config=tiny_config):
        capsys.readouterr()
        experiment.main([str(config), "--output", str(tmp_path / "out"), *OPTIONS, *options])
        lines = (tmp_path / "out/results.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines], capsys.readouterr().out

    return run


def test_each_run_is_done_once_and_the_tables_are_of_them(compare, tmp_path, monkeypatch, capsys):
    found, printed = compare("--models", "mind", "most_pop")
    assert [(row["system"], row["seed"]) for row in found] == [
        ("mind", 1),
        ("mind", 2),
        ("most_pop", 1),
        ("most_pop", 2),
    ]
    with open(tmp_path / "out/table.csv", newline="") as file:
        head, first, second = csv.reader(file)
    assert head == ["system", "recall@5", "ndcg@5", "hitrate@5", "recall@5 to mind, 95 % interval", "p, Holm", "seeds"]
    recalls = [100 * row["test"]["recall@5"] for row in found]
    assert first[:2] == ["mind", f"{statistics.mean(recalls[:2]):.2f} ± {statistics.stdev(recalls[:2]):.2f}"]
    assert first[4:] == ["-", "-", "2"]
    assert second[:2] == ["most_pop", f"{recalls[2]:.2f} ± 0.00"]
    change = statistics.mean(recalls[2:]) - statistics.mean(recalls[:2])
    assert second[4].startswith(f"{change:+.2f} [")
    assert printed == (tmp_path / "out/table.md").read_text()
    assert "\\toprule" in (tmp_path / "out/table.tex").read_text()
    monkeypatch.setattr(experiment, "Trainer", None)  # a run would fail now
    again, printed = compare("--models", "mind", "most_pop", "--against", "most_pop")
    assert again == found
    assert "recall@5 to most_pop" in printed
    for options, told in (
        (["--models", "mind", "mind"], "two systems are called mind"),
        (["--models", "mind", "--against", "minds"], "'minds' is not one of mind; did you mean mind?"),
        (["--models", "mind", "--metric", "recall@50"], "--metric: 'recall@50' is not one of recall@5"),
    ):
        with pytest.raises(SystemExit) as end:
            compare(*options)
        assert end.value.code == 2
        assert told in capsys.readouterr().err


def test_a_folder_has_one_writer(compare, tmp_path, capsys):
    with writing(tmp_path / "out"), pytest.raises(SystemExit) as end:
        compare()
    assert end.value.code == 2
    assert f"{tmp_path}/out" in capsys.readouterr().err


def test_varied_lists_are_measured_as_they_are_served(compare, tmp_path, monkeypatch):
    count = yaml.safe_load((tmp_path / "data/meta.yaml").read_text())["item_count"]
    np.save(tmp_path / "data/item_category.npy", np.arange(-1, count - 1) % 3)
    asked = []
    whole = experiment.best_reports
    monkeypatch.setattr(experiment, "best_reports", lambda *words: asked.append(words[1]) or whole(*words))
    compare("--seeds", "1", "-o", "runner.diversity_lambda=[0.5,0.0]")
    assert [list(one) for one in asked] == [[0.5]]


def test_a_run_that_was_stopped_goes_on(compare, tmp_path, monkeypatch):
    train, stopped = experiment.Trainer.train, []

    def stop(self):
        train(self)
        if not stopped:
            stopped.append(self.state.step)
            raise Interrupted(2)

    monkeypatch.setattr(experiment.Trainer, "train", stop)
    with pytest.raises(SystemExit) as end:
        compare("--models", "mind")
    assert end.value.code == 130
    assert (tmp_path / "out/runs/mind/1/unfinished.json").is_file()
    found, _ = compare("--models", "mind")
    assert [row["seed"] for row in found] == [1, 2]
    assert not (tmp_path / "out/runs/mind/1/unfinished.json").exists()


def test_latex_takes_every_sign():
    assert latex([["a_b", "95 %"], ["1 ± 2", "#&"]]).splitlines()[2:5] == [
        "a\\_b & 95 \\% \\\\",
        "\\midrule",
        "1 $\\pm$ 2 & \\#\\& \\\\",
    ]


@pytest.mark.extras
def test_curves_are_drawn_of_all_runs(compare, tmp_path):
    compare("--models", "mind", "--curves")
    assert "mind, seed 2" in (tmp_path / "out/curves.svg").read_text()
