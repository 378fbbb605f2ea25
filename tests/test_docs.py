"""The documentation does what it says: pages are run, and the page of all keys is that of the schema."""

import random

import pytest
from pages import ROOT, copy_repository, run_page, shell
from test_features import write_features

from tools import reference


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
    assert written == reference.page(), f"run: {reference.COMMAND}"


def test_your_own_data(repository):
    run_page("data.md", repository)


def test_add_a_model(films):
    run_page("add_a_model.md", films)


@pytest.mark.extras
def test_serving(films):
    shell("python trainer.py -m config.yaml -o runner.epochs=1", films)
    run_page("serving.md", films)
