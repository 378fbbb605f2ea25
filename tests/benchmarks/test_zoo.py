"""The model zoo: its files load, are listed with their checksums, and are small."""

import hashlib
import json

import pytest

from benchmarks import zoo
from tools.api import load
from tools.common.errors import UserError

OPTIONS = ["runner.epochs=1", "runner.top_n=5", "runner.best_metric=recall@5", "runner.filter_seen=true"]


@pytest.mark.slow
def test_files_load_and_are_listed(tiny_config, tmp_path, capsys, monkeypatch):
    output = tmp_path / "zoo"
    arguments = ["-m", str(tiny_config), "--output", str(output), "-o", *OPTIONS]
    output.mkdir()
    other = {"model": "re4", "files": {"re4.zip": {"bytes": 3, "sha256": "0" * 64}}}
    (output / "zoo.json").write_text(json.dumps([other]))  # of an earlier command
    zoo.main([*arguments, "--models", "mind"])
    assert "mind: mind.zip" in capsys.readouterr().out
    rows = {row["model"]: row for row in json.loads((output / "zoo.json").read_text())}
    assert rows.keys() == {"mind", "re4"}
    assert rows["re4"] == other
    assert rows["mind"]["command"].endswith(f"--models mind -o {' '.join(OPTIONS)}")
    sums = [line.split("  ")[::-1] for line in (output / "SHA256SUMS").read_text().splitlines()]
    assert [name for name, _ in sums] == ["mind.zip", "mind-run.zip", "re4.zip"]
    for name, expected in sums[:2]:
        assert hashlib.sha256((output / name).read_bytes()).hexdigest() == expected
    served = load(output / "mind.zip")
    trained = load(output / "mind-run.zip", data=tmp_path / "data")
    for asked in (served, trained):
        assert asked.recommend([["3", "4"]], top_n=3)["item"].len() == 3
    assert trained.evaluate()["mind best"]["recall@5"] == rows["mind"]["test"]["recall@5"]
    folder = trained.held.path
    del trained, asked
    assert not folder.exists()
    with pytest.raises(UserError, match="not an archive that can be opened"):
        load(output / "zoo.json")
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(UserError, match="data/train, which is not there; give data=FOLDER"):
        load(output / "mind-run.zip")
    (tmp_path / "moved").rename(tmp_path / "data")
    monkeypatch.setattr(zoo, "LARGEST", 100)
    with pytest.raises(SystemExit) as end:
        zoo.main([*arguments, "--models", "mind"])
    assert end.value.code == 2
    assert "a file of the zoo has at most 100" in capsys.readouterr().err
