"""A search: what it may choose, what it remembers, that it goes on, and that valid's best metric alone decides."""

import json
import shutil

import pytest

from tools import tune
from tools.common.errors import UserError
from tools.common.replacing import writing
from tools.config.space import Choices, Range, read_space
from tools.training import tuning
from tools.training.interrupt import Interrupted

SPACE = """
hyper_parameters:
  temperature: {low: 0.1, high: 2, log: true}
  interest_num: {low: 1, high: 3}
runner.train_batch_size: [32, 64]
"""


@pytest.fixture
def space(tmp_path):
    def write(text=SPACE):
        (tmp_path / "space.yaml").write_text(text)
        return tmp_path / "space.yaml"

    return write


def test_a_space_is_choices_and_ranges(space):
    assert read_space(space()) == {
        "hyper_parameters.temperature": Range(0.1, 2.0, True, False),
        "hyper_parameters.interest_num": Range(1, 3, False, True),
        "runner.train_batch_size": Choices([32, 64]),
    }


@pytest.mark.parametrize(
    "text, told",
    [
        ("hyper_parameters.temprature: [1, 2]", "space.yaml:1: hyper_parameters.temprature: unknown key; did you mean"),
        ("hyper_parameters.temprature: {low: 1, high: 2}", "hyper_parameters.temprature: unknown key; did you mean"),
        ("runner.seed: [1, x]", "runner.seed: 'x' is of type str; write a whole number"),
        ("runner.seed: 1", "runner.seed: '1' is no choice; write [a, b, …] or {low"),
        ("runner.seed: {low: 1}", "not [a, b, …] or {low: 0.01, high: 1, log: true}; give low and high"),
        ("runner.seed: {low: 5, high: 5}", "from 5 to 5 is no range"),
        ("hyper_parameters.dropout: {low: 0, high: 2}", "2.0 is out of range"),
        ("hyper_parameters.dropout: {low: 0, high: 0.5, log: true}", "low: 0.0 has no logarithm"),
        ("hyper_parameters.model: {low: 0, high: 1}", "0 is of type int; write a text"),
        ("", "no keys; write"),
    ],
)  # fmt: skip
def test_what_is_no_space_is_refused(text, told, space):
    with pytest.raises(UserError) as error:
        read_space(space(text))
    assert told in str(error.value)


@pytest.mark.extras
def test_a_search_has_one_writer(tiny_config, tmp_path, space, capsys):
    with writing(tmp_path / "out"), pytest.raises(SystemExit) as end:
        tune.main(["-m", str(tiny_config), "--space", str(space()), "--output", str(tmp_path / "out")])
    assert end.value.code == 2
    assert f"{tmp_path}/out" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def search(tiny_config, tmp_path, space, capsys):
    """`search(4, "out")`: the rows of a search, and what it prints."""
    if (tmp_path / "data/test").is_dir():
        shutil.rmtree(tmp_path / "data/test")  # nothing may read it

    def run(trials, name, *options, text=SPACE):
        argv = ["-m", str(tiny_config), "--space", str(space(text)), "--trials", str(trials)]
        capsys.readouterr()
        tune.main([*argv, "--output", str(tmp_path / name), *options])
        rows = [json.loads(line) for line in (tmp_path / name / "trials.jsonl").read_text().splitlines()]
        return rows, capsys.readouterr().out

    return run


def plain(rows):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.mark.extras
def test_a_search_that_was_stopped_ends_as_the_undisturbed_one(search, tmp_path, monkeypatch, capsys):
    whole, printed = search(3, "whole")
    assert [row["trial"] for row in whole] == [0, 1, 2]
    best = max(whole, key=lambda row: row["value"])
    assert printed.split("best first\n")[1].startswith(f"trial {best['trial']}: {100 * best['value']:.2f} %")
    assert best["value"] == pytest.approx(best["valid"]["recall@50"])
    assert not (tmp_path / "whole/run").exists()
    settings = tune.load_settings(tmp_path / "whole/best.yaml", (), tune.MODELS)
    assert settings.hyper_parameters.temperature == best["params"]["hyper_parameters.temperature"]
    report, calls = tuning.Campaign.report, []

    def stop(self, reported):
        report(self, reported)
        calls.append(reported)
        if len(calls) == 3:  # the first evaluation of the second trial
            raise Interrupted(2)

    monkeypatch.setattr(tuning.Campaign, "report", stop)
    with pytest.raises(SystemExit) as end:
        search(3, "stopped")
    assert end.value.code == 130
    assert "the same command goes on" in capsys.readouterr().out
    assert json.loads((tmp_path / "stopped/pending.json").read_text())["params"] == whole[1]["params"]
    monkeypatch.setattr(tuning.Campaign, "report", report)
    again, _ = search(3, "stopped")
    assert plain(again) == plain(whole)
    monkeypatch.setattr(tune, "train", None)  # a run would fail now
    assert search(3, "stopped")[0] == again
    for options, what in ((["--seed", "2"], "another seed"), (["-o", "runner.seed=2"], "another configuration")):
        with pytest.raises(SystemExit):
            search(3, "stopped", *options)
        assert f"holds a search with {what}; choose another --output" in capsys.readouterr().err


@pytest.mark.extras
def test_weak_trials_are_given_up_and_equal_ones_not_repeated(search, monkeypatch):
    def train(settings, report):
        good = settings.hyper_parameters.dropout
        for step in range(1, 5):
            report(step, good * step)

    monkeypatch.setattr(tune, "train", train)
    text = "hyper_parameters.dropout: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]\nhyper_parameters.model: [mind, re4]"
    rows, printed = search(30, "out", "--sampler", "random", text=text)
    states = {row["state"] for row in rows}
    assert states == {"complete", "pruned"}
    assert all(len(row["reported"]) < 4 for row in rows if row["state"] == "pruned")
    repeated = [row for row in rows if "same_as" in row]
    assert repeated
    assert all(row["params"] == rows[row["same_as"]]["params"] for row in repeated)
    first = printed.split("best first\n")[1].splitlines()[0]
    assert f"{100 * max(row['value'] for row in rows if row['state'] == 'complete'):.2f} %, complete" in first


@pytest.mark.extras
def test_values_that_do_not_go_together_fail_alone(search, capsys):
    text = "hyper_parameters.interest_num: [1, 2]\nhyper_parameters.model: [youtube_dnn, mind]"
    rows, printed = search(5, "out", "--sampler", "random", text=text)
    failed = [row for row in rows if row["state"] == "failed"]
    assert failed
    assert {row["params"]["hyper_parameters.model"] for row in failed} == {"youtube_dnn"}
    assert "does not apply to the model youtube_dnn" in printed
    assert printed.split("best first\n")[1].splitlines()[0].endswith('model="mind"')


def test_without_optuna_the_extra_is_named(search, monkeypatch, capsys):
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SystemExit):
        search(1, "out")
    assert "pip install '.[tune]'" in capsys.readouterr().err
