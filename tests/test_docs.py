"""The documentation does what it says: pages are run, and the page of all keys is that of the schema."""

from pages import ROOT, copy_repository, run_page

from tools import reference


def test_the_page_of_all_keys_is_that_of_the_schema():
    written = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert written == reference.page(), f"run: {reference.COMMAND}"


def test_your_own_data(tmp_path):
    run_page("data.md", copy_repository(tmp_path))
