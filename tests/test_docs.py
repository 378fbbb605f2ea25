"""The documentation does what it says: pages are run, and the page of all keys is that of the schema."""

import os
import random
import re
import subprocess
import sys

import pytest
import yaml
from datasets import write_features
from pages import blocks, copy_repository, run_page, shell
from paths import ROOT
from registry import NEEDS_EXTRA, SEVERAL

from models import MODELS
from tools import config_reference
from tools.config.load import constructor_options, keys

PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))


@pytest.fixture
def repository(tmp_path):
    """A copy of the repository, without data."""
    return copy_repository(tmp_path)


@pytest.fixture
def films(repository):
    """The same with made-up films where `make run` leaves MovieLens."""
    rng, films = random.Random(0), [str(item) for item in range(1, 1350)]  # as many as MovieLens has
    watched = [film for _ in range(2) for film in rng.sample(films, len(films))]
    users = [[f"u{first}", *watched[first : first + 40]] for first in range(0, len(watched), 40)]
    (repository / "log.txt").write_text("\n".join(map(" ".join, users)), encoding="utf-8")
    shell("python -m tools.preprocess sequences log.txt --min-count 1 --output data/movielens-100k", repository)
    genres = [[rng.choice(["Action", "Drama", "Sci-Fi"])] for _ in films]
    write_features(repository / "data/movielens-100k", "item", genres=genres)
    return repository


def test_the_page_of_all_keys_is_that_of_the_schema():
    written = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert written == config_reference.page(), f"run: {config_reference.COMMAND}"


@pytest.mark.slow
@pytest.mark.extras
def test_your_own_data(repository):
    run_page("data.md", repository)


@pytest.mark.slow
@pytest.mark.extras
def test_add_a_model(films):
    run_page("add_a_model.md", films)


@pytest.mark.slow
@pytest.mark.extras
def test_serving(films):
    shell("python trainer.py -m config.yaml -o runner.epochs=1", films)
    run_page("serving.md", films)


@pytest.mark.extras
def test_from_python(repository):
    """Its blocks are one session."""
    session = "\n".join(block.text for block in blocks("api.md") if block.language == "python")
    told = shell(f"python - <<'END'\n{session}END", repository)
    assert "MostPop" in told
    assert (repository / "coupling.png").read_bytes()[:4] == b"\x89PNG"


def test_what_models_can_do_is_what_they_can():
    text = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    lines = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:3] == "| `"]
    rows = {cells[0]: cells[1:] for cells in lines if len(cells) == 8}
    assert rows.keys() == MODELS.keys()
    for name, (vectors, learns, features, static, exports, onnx, extra) in rows.items():
        model = MODELS[name]
        gradient = hasattr(model, "loss")
        assert vectors.startswith("K") == (name in SEVERAL)
        assert learns == ("gradient" if gradient else "its own fit")
        assert features == static == ("yes" if gradient else "no")
        assert features == ("yes" if "item_features" in constructor_options(model) else "no")
        assert exports == "yes"
        assert onnx == ("yes" if exports == "yes" and model.has_onnx else "no")
        assert (extra == "baselines") == (name in NEEDS_EXTRA)


def test_what_others_are_led_to_is_there():
    text = (ROOT / "docs/coming_from.md").read_text(encoding="utf-8")
    ours = [line.split("|")[2] for line in text.splitlines() if line.startswith("| ")]
    told = [word for cell in ours for word in re.findall(r"`([^`]+)`", cell)]
    named = [word for one in told for word in re.findall(r"(?:runner|hyper_parameters)\.[a-z_.]+", one)]
    assert len(named) > 25
    assert [one for one in named if one not in keys()] == []
    commands = {word for one in told for word in re.findall(r"python -m tools\.(\w+)", one)}
    assert {"tune", "experiment", "predict"} <= commands
    assert [one for one in commands if not (ROOT / f"tools/{one}.py").is_file()] == []
    assert {one for one in told if re.fullmatch(r"comirec_\w+|gru4rec|item_knn|mind|youtube_dnn", one)} <= MODELS.keys()
    theirs = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ")]
    assert sum("capsual" in one for one in theirs) == 3


def test_badges_and_citation_say_what_the_project_says():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    patterns = ('\nversion = "(.+)"', 'license = "(.+)"', 'requires-python = ">=(.+)"', "paddlepaddle>=([0-9.]+)")
    version, licence, python, paddle = (re.findall(one, project)[0] for one in patterns)
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (cited["version"], cited["license"]) == (version, licence)
    for name in ("README.md", "README_CN.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert f"python-{python}%2B" in text
        assert f"PaddlePaddle-{paddle}%2B" in text


@pytest.mark.parametrize("name", ["README.md", "README_CN.md"])
def test_a_readme_is_one_page_with_its_tables(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text.count("\n") <= 180
    for table in ("best:amazon-beauty", "speed:short"):
        assert f"<!-- {table} -->\n|" in text
    for page in PAGES:
        assert f"(docs/{page})" in text, page


@pytest.mark.parametrize("name", ["docs/index.md", "mkdocs.yml"])
def test_every_page_is_listed(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    listed = re.findall(r"[(\s](\w+\.md)[)\s]", text)
    assert [page for page in PAGES if name != f"docs/{page}" and page not in listed] == []


@pytest.mark.parametrize("page", ["README.md", "README_CN.md", "CONTRIBUTING.md"])
def test_links_lead_to_files(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.extras
def test_the_site_is_built_without_a_warning_and_asks_no_other_host(tmp_path):
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}  # about a later version, which pyproject.toml rules out
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 8
    for page in pages:
        assert not re.search(r"(src=|<link[^>]*href=|url\()\W?https?:", page.read_text(encoding="utf-8")), page
