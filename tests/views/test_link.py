"""Links that carry the state of the explorer's page."""

import exports
import pytest

from tools.common.errors import UserError
from tools.views import link
from tools.views.explore import Explorer, read_users
from tools.views.link import State
from tools.views.page import Page

pytestmark = pytest.mark.extras  # as all of the explorer


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of two models, without a browser."""
    folder = tmp_path_factory.mktemp("link")
    exports.make_two(folder)
    models = {name: Explorer(folder=folder / name / "export") for name in ("out", "other")}
    return Page(explorers=models, users=read_users(folder / "data/test", list(models.values())))


def test_links_are_read_as_they_were_written(page):
    number = page.numbers["i9"]
    for state in (
        page.start,
        page.start._replace(used=[[0, 3], []], percent=2.5, top_n=3, category=["c0", "c2"]),
        State(2, [number, 4], [[0, 1, 2, 3], [1]], 0.0, 20, []),
        State(2, [], page.every, 0.0, 20, []),
        State(None, [number], page.every, 30.0, 1, []),
        State(None, [], page.every, 0.0, 20, []),
    ):
        assert link.read(link.write(state, page), page) == state
    assert link.read("", page) == link.read("?", page) == link.read("?__theme=dark", page) == page.start


@pytest.mark.parametrize(
    "query, message",
    [
        ("user=u999", "user: 'u999' is none of the "),
        ("user=a&user=b", "user: given 2 times; give it once"),
        ("history=i3&history=no", "history: 'no' is no item that can be chosen"),
        ("interests=1,2", "interests: given 1 times; give it once for each model, 2 here"),
        ("interests=0&interests=1", "interests: '0' is not a number from 1 to 4; give some, as 1,2"),
        ("interests=1&interests=4", "interests: '4' is not a number from 1 to 3"),
        ("interests=1,&interests=", "interests: '' is not a number"),
        ("variety=-1", "variety: '-1' is not a number from 0 to 30"),
        ("variety=inf", "variety: 'inf' is not"),
        ("variety=", "variety: '' is not"),
        ("top_n=²", "top_n: '²' is not a whole number from 1 to 30"),
        ("top_n=31", "top_n: '31' is not"),
        ("top_n=" + "9" * 5000, "' is not a whole number from 1 to 30"),
        ("category=c7", "category: 'c7' is none of the categories"),
        ("top_m=3", "'top_m' is none of user, history, interests, variety, top_n, category; did you mean top_n?"),
        ("user=%ff", "the link is no text"),
        ("history=i3&" * 2001, "more than 2000 values"),
    ],
)
def test_odd_links_are_refused_in_a_line(query, message, page):
    with pytest.raises(UserError) as error:
        link.read(f"?{query}", page)
    assert message in str(error.value)
    assert len(str(error.value)) < 400
    assert "\n" not in str(error.value)
