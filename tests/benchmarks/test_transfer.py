"""Settings that were chosen on other data sets."""

import pytest

from benchmarks.quality import results, transfer
from tools.common.errors import UserError


def test_what_was_tuned_on_the_held_out_set_takes_no_part_and_the_others_choose_relatively():
    def rows(**figures):
        return {name: {"recall@50": figure} for name, figure in figures.items()}

    valid = {
        "a": rows(defaults=0.9, a=1.0, b=0.1, c=0.1),
        "b": rows(defaults=0.010, a=0.020, b=0.020, c=0.008),  # small figures count as much as large ones
        "c": rows(defaults=0.70, a=0.90, b=0.60, c=0.80),
    }
    test = {name: rows(defaults=0.1, a=0.2, b=0.3, c=0.4) for name in "abc"}
    assert transfer.held_out("a", valid, test, "recall@50") == ["a", "b", "30.00", "10.00", "20.00"]
    assert transfer.held_out("b", valid, test, "recall@50") == ["b", "a", "20.00", "10.00", "30.00"]
    assert transfer.held_out("c", valid, test, "recall@50") == ["c", "a", "20.00", "10.00", "40.00"]


def test_candidates_are_the_defaults_and_each_recipe_without_what_belongs_to_its_data_set(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "ROOT", tmp_path)
    for dataset, rank in (("one", 8), ("two", 9)):
        (tmp_path / f"benchmarks/configs/{dataset}/tuned").mkdir(parents=True)
        text = f"hyper_parameters: {{model: spectral, item_count: 5, spectral_rank: {rank}}}"
        (tmp_path / f"benchmarks/configs/{dataset}/tuned/spectral.yaml").write_text(text)
    expected = {
        "defaults": [],
        "one": ["hyper_parameters.spectral_rank=8"],
        "two": ["hyper_parameters.spectral_rank=9"],
    }
    assert transfer.candidates("spectral", ["one", "two"]) == expected
    with pytest.raises(UserError, match="give three data sets or more"):
        transfer.main.__wrapped__(["spectral", "one", "two"])
