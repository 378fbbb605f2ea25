"""The documentation does what it says: pages are run, and the page of all keys is that of the schema."""

import random

from pages import ROOT, copy_repository, run_page, shell

from tools import reference


def test_the_page_of_all_keys_is_that_of_the_schema():
    written = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert written == reference.page(), f"run: {reference.COMMAND}"


def test_your_own_data(tmp_path):
    run_page("data.md", copy_repository(tmp_path))


def test_add_a_model(tmp_path):
    """The page's model on made-up films under MovieLens' names."""
    folder = copy_repository(tmp_path)
    rng = random.Random(0)
    users = [[f"u{user}", *map(str, rng.sample(range(1, 301), 20))] for user in range(60)]
    (folder / "log.txt").write_text("\n".join(map(" ".join, users)), encoding="utf-8")
    shell("python -m tools.preprocess sequences log.txt --min-count 1 --output data/movielens-100k", folder)
    run_page("add_a_model.md", folder)
