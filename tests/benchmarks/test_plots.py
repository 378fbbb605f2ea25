"""Plots of the speed tables."""

import json

import pytest

from benchmarks.quality import plots as quality_plots
from benchmarks.speed import plots

SPEED = [{"model": name, "samples_per_s": number, "batch": 128, "item_count": 368000} for name, number in
         (("mind", 19310), ("re4", 4465))]  # fmt: skip
SCALING = [
    {"item_count": 10**power, "batch": 128, "ms_per_step": 6.0, "dense_ms": dense, "peak_mb": 400, "table_mb": 8}
    for power, dense in ((4, 20.0), (5, 200.0), (7, None))
]


@pytest.mark.extras
def test_plots_are_svg_with_every_model_and_the_same_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "RUNS", tmp_path)
    for name, rows in (("speed", SPEED), ("scaling", SCALING)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for folder in ("one", "other"):
        plots.main(["--output", str(tmp_path / folder)])
    for name, words in (("speed", ["mind", "re4", "19,310"]), ("scaling", ["dense table", "table and two moments"])):
        drawn = (tmp_path / "one" / f"{name}.svg").read_text()
        assert drawn == (tmp_path / "other" / f"{name}.svg").read_text()
        assert all(word in drawn for word in words)
        assert "mathdefault" not in drawn  # a label that is not set as mathematics


@pytest.mark.extras
def test_quality_is_drawn_for_every_model_that_was_run(tmp_path, monkeypatch):
    rows = quality_plots.results.read_rows(quality_plots.results.file())
    monkeypatch.setattr(quality_plots, "DATASETS", {"amazon-beauty": "Amazon Beauty"})
    paths = {row["config"] for row in rows if row["config"].startswith("benchmarks/configs/amazon-beauty/tuned/")}
    quality_plots.main(["--output", str(tmp_path)])
    drawn = (tmp_path / "quality.svg").read_text()
    assert len(paths) > 10
    assert all(f">{path.split('/')[-1].removesuffix('.yaml')}<" in drawn for path in paths)
