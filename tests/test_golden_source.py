"""The committed figures are those of the reference files, where these are at hand."""

import numpy as np
import pytest
from paths import ROOT
from reference import GOLDEN, golden

SOURCE = ROOT.parent / "shared" / "golden"


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the reference files are not beside the checkout")
@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.json") if path.stem != "retrieval_lists"))
def test_figures_are_the_reference_numbers(name):
    source = np.load(SOURCE / f"{name}.npz")
    figures = golden(name)
    assert set(figures) == set(source.files)
    for key in source.files:
        np.testing.assert_allclose(figures[key], source[key], rtol=1e-7)


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the reference files are not beside the checkout")
def test_lists_are_the_reference_lists():
    import json

    assert json.loads((GOLDEN / "retrieval_lists.json").read_text()) == json.loads(
        (SOURCE / "retrieval.json").read_text()
    )
