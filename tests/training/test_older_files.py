"""What older code wrote still works: `golden/before_rooms` holds a checkpoint, an export and their figures.

Its log.txt was prepared by `python -m tools.preprocess sequences log.txt --min-count 1 --output data`.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import infer
import trainer
from tools import predict, preprocess
from tools.common import unpickle

OLDER = Path(__file__).parents[1] / "golden/before_rooms"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy to work in, with the data set that the checkpoint was trained on."""
    project = tmp_path / "project"
    shutil.copytree(OLDER, project)
    monkeypatch.chdir(project)
    preprocess.main(["sequences", "log.txt", "--min-count", "1", "--output", "data"])
    return project


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_checkpoint_is_measured_as_it_was(project):
    infer.main(["-m", "config.yaml"])
    got, want = read_json(project / "output/metrics.json"), read_json(OLDER / "output/metrics.json")
    assert got.keys() == want.keys() == {"mind best", "MostPop"}
    for row, figures in want.items():
        for name, value in figures.items():
            if isinstance(value, float):
                assert got[row][name] == pytest.approx(value, abs=1e-5), (row, name)
    assert got["mind best"]["users"] == want["mind best"]["users"] == 3


@pytest.mark.parametrize("graph", ["dynamic", "static"])
def test_training_goes_on_from_a_checkpoint(project, graph):
    trainer.main(["-m", "config.yaml", "-o", "runner.resume=auto", "runner.epochs=3", f"runner.graph={graph}"])
    before, after = (read_json(project / f"output/{epoch}/state.json") for epoch in (1, 2))
    assert (before["step"], after["step"]) == (12, 18)
    older, newer = (unpickle.read(project / f"output/{epoch}/rec.pdparams") for epoch in (1, 2))
    assert older.keys() == newer.keys()
    for name, value in older.items():
        change = np.abs(newer[name] - value).max() if name != "StructuredToParameterName@@" else 0
        assert change < 6 * 1.5e-3, name  # six steps of Adam at 1e-3: nothing began anew
    assert (newer["item_table.weight"] != older["item_table.weight"]).any()


def test_an_export_answers_as_it_did(project, capsys):
    predict.main(["export", "histories.jsonl", "--top_n", "3"])
    got = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    want = [json.loads(line) for line in (OLDER / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    for one, other in zip(got, want, strict=True):
        assert (one["user"], one["unknown"]) == (other["user"], other["unknown"])
        assert [(item["item"], item["interest"]) for item in one["items"]] == [
            (item["item"], item["interest"] + 1)
            for item in other["items"]  # they were counted from 0 then
        ]
        scores = [[item["score"] for item in each["items"]] for each in (one, other)]
        np.testing.assert_allclose(*scores, atol=1e-5)
