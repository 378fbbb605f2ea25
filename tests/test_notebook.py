"""The notebook runs from top to bottom, and the committed ones are their sources with the outputs of a whole run.

The Chinese notebook has the English one's code, cell by cell; so one run tests both.
"""

import re
import unicodedata

import pytest

pytestmark = pytest.mark.extras


@pytest.fixture
def build():
    from notebooks import build  # needs the extra notebook, which is not there when the core suite is collected

    return build


@pytest.fixture(params=["NOTEBOOK", "CHINESE"])
def path(request, build):
    return getattr(build, request.param)


@pytest.fixture
def committed(build, path):
    return build.nbformat.read(path, as_version=4)


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def streams(notebook):
    return "".join(output.text for output in outputs(notebook) if output.output_type == "stream")


def pictures(notebook):
    return [output.data["image/png"] for output in outputs(notebook) if "image/png" in output.get("data", ())]


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(build, tmp_path):
    build.copy_repository(tmp_path)
    if not (tmp_path / "data/download").is_dir():
        pytest.skip("data/download is absent; make it with: python -m tools.preprocess movielens-100k")
    notebook = build.read_source()
    (cell,) = [one for one in notebook.cells if one.source.startswith('settings = {"epochs": 8,')]
    cell.source = cell.source.replace('"epochs": 8,', '"epochs": 1, "train_batch_size": 2048,')
    build.execute(notebook, tmp_path)
    assert "error" not in streams(notebook)
    assert len(pictures(notebook)) == 1
    tables = [output.data["text/html"] for output in outputs(notebook) if "text/html" in output.get("data", ())]
    assert len(tables) == 9
    for name in ("mind", "comirec_dr", "youtube_dnn"):
        assert (tmp_path / f"output/quickstart/{name}/history.csv").read_text().count("valid/recall@50") == 1
    assert all(weight in tables[-2] for weight in ("lambda 0.02", "lambda 0.1", "lambda 0.5", "MostPop"))


def letters(text):
    """What is written of code, formulas and links aside: Chinese characters and other letters, counted."""
    text = re.sub(r"`[^`]*`|\(\S*\)", "", text)
    chinese = sum(unicodedata.name(one, "").startswith("CJK UNIFIED") for one in text)
    return chinese, sum(one.isalpha() for one in text) - chinese


def test_the_chinese_notebook_has_the_same_code_and_translated_prose(build):
    english, chinese = build.read_source().cells, build.read_source(build.CHINESE).cells
    assert [one.cell_type for one in english] == [one.cell_type for one in chinese]
    for ours, theirs in zip(english, chinese, strict=True):
        if ours.cell_type == "code":
            assert ours.source == theirs.source
            assert letters(ours.source)[0] == 0
            continue
        for form in (r"(?m)^#+ ", r"(?m)^- ", r"`[^`]*`"):  # headings, lists, names
            assert sorted(re.findall(form, ours.source)) == sorted(re.findall(form, theirs.source))
        (han, latin), (foreign, own) = letters(theirs.source), letters(ours.source)
        assert 4 * han > latin  # a character is about half a word
        assert own > 4 * foreign  # the link to the other one names its language


def test_the_committed_notebook_is_its_source(build, committed, path):
    for ours, source in zip(committed.cells, build.read_source(path).cells, strict=True):
        assert (ours.cell_type, ours.source) == (source.cell_type, source.source), "run: python -m notebooks.build"


def test_the_committed_outputs_are_of_one_whole_run(committed):
    code = [cell for cell in committed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert {output.output_type for output in outputs(committed)} == {"stream", "execute_result"}  # and none is an error
    assert {output.get("name") for output in outputs(committed)} == {"stdout", None}
    assert len(pictures(committed)) == 1
    assert "error" not in streams(committed)
    assert streams(committed).count("epoch 0: valid recall@50 ") == 3


def test_the_committed_outputs_tell_nothing_of_the_machine(committed):
    assert not re.search(r"(?<![\w.:])[/~]\w+/|warning|https?://|site-packages|\r|\x1b", streams(committed), re.I)
