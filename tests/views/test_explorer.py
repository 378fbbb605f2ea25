"""The explorer's page in a browser, against the running server."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

import exports
import pytest
from contrast import contrast
from paths import ROOT
from ports import free_port

from tools import explorer
from tools.common import checksums
from tools.common.interests import interest_colour
from tools.serving import exporter
from tools.training.settings import load_settings
from tools.views.explore import Explorer, Question, read_users
from tools.views.page import MOST_VARIETY, Page

pytestmark = pytest.mark.extras

CHROMIUM = shutil.which("chromium")
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
VARIETY, LENGTH = (f"range slider for {name}" for name in ("Variety (lambda)", "Items in the list"))
ALL = (0, 1, 2, 3)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium; install it with: apt-get install chromium")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explorer")
    exports.make_two(folder)
    return folder


@contextlib.contextmanager
def running(*argv):
    """The command at work: gives the address of its page, and ends it by Ctrl-C."""
    words = [sys.executable, "-m", "tools.explorer", *map(str, argv), "--port", str(free_port())]
    proxy = dict.fromkeys(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"], "http://127.0.0.1:9")  # where nothing listens
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, cwd=ROOT, env=os.environ | proxy, text=True, **pipes) as process:
        try:
            address = re.search(r"http://\S+(?=;)", process.stdout.readline())
            assert address, process.communicate()
            yield address[0]
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
            assert (process.returncode, "Traceback" in err) == (130, False), err
        finally:
            process.kill()


@pytest.fixture(scope="module")
def address(folder):
    """Two models side by side: one by its configuration, one from its export."""
    with running("-m", folder / "out/best/config.yaml", folder / "other/export") as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """The opened page; it must have asked nobody but the server, and told no error."""
    page = browser.new_page()
    asked, told = [], []
    page.on("request", lambda one: asked.append(one.url))
    page.on("pageerror", lambda one: told.append(str(one)))
    page.goto(address)
    page.wait_for_selector("table.merged")
    yield page
    page.close()
    assert [one for one in asked if not one.startswith((address, "data:", "blob:"))] == []
    assert len(asked) > 1
    assert told == []


@pytest.fixture(scope="module")
def models(folder):
    return [Explorer(folder=folder / name / "export") for name in ("out", "other")]


@pytest.fixture(scope="module")
def users(folder, models):
    return read_users(folder / "data/test", models)


@pytest.fixture(scope="module")
def first(models, users):
    """The user whom the page opens on."""
    explorers = {str(place): one for place, one in enumerate(models)}
    return Page(explorers=explorers, users=users).first()


def test_the_page_opens_on_a_user_whose_interests_hit_and_differ(models, users, first):
    def worth(user):
        answer = models[0].answer(question(user))
        hits = [one.interest for one in answer.items if one.hit]
        found = [one.item for interest in answer.interests for one in interest.items]
        return len(set(hits)), len(set(found)) / len(found), len(hits)

    assert worth(users[first]) == max(map(worth, users[:50])) > (0, 0, 0)
    assert Page(explorers={"one": models[0]}, users=[]).first() is None


def question(user, used=ALL, percent=0.0, top_n=20):
    """What the page asks for a user."""
    return Question(user.history[-6:], used, percent / 100, top_n, user.history[:-6], user.target, user.profile)


def check_shown(page, models, asked, used=()):
    """The page shows, of each model, exactly its list and its interests.

    Args:
        page: in the browser.
        models: the explorers.
        asked: of all.
        used: of the models, the interests that are used where they are not those of `asked`.
    """
    from playwright.sync_api import expect

    for place, model in enumerate(models):
        asked = asked._replace(used=used[place]) if used else asked
        answer, section = model.answer(asked), page.locator("section.model").nth(place)
        rows = section.locator("table.merged tbody tr")
        expect(rows.locator("th")).to_have_text([f"{one.title}{' ✓' * one.hit}" for one in answer.items])
        expect(rows.locator("td:nth-child(3)")).to_have_text([one.category for one in answer.items])
        expect(rows.locator("td:nth-child(4)")).to_have_text([str(one.interest + 1) for one in answer.items])
        expect(rows.locator("td:nth-child(6)")).to_have_text([str(one.plain or "–") for one in answer.items])
        counted = [re.compile(rf"{name}\s*{count}") for name, count in answer.categories]
        expect(section.locator("ul.categories li")).to_have_text(counted)
        expect(section.locator(".facts")).to_contain_text(f"lambda {answer.weight:.3g} ")
        if len(answer.items) > 1:
            told = f"diversity@{len(answer.items)} {answer.diversity:.3f} "
            expect(section.locator(".facts")).to_contain_text(told)
        expect(section.locator("h3 small")).to_have_text(
            f"showing {len(answer.items)} of {answer.retrieved} items that the interests find"
        )
        told = [f"{one.number} {one.why}" for one in answer.left_out]
        told += [f"{answer.unread} older items of the history are not read"] if answer.unread else []
        expect(section.locator("ul.left li")).to_have_text([re.compile(re.escape(one)) for one in told])
        cards = section.locator("article")
        expect(cards).to_have_count(len(answer.interests))
        for number, interest in enumerate(answer.interests):
            fed = [re.compile(f"{re.escape(title)}.*{share:.0%}") for title, share in interest.behaviours]
            expect(cards.nth(number).locator("ul li")).to_have_text(fed)
            found = cards.nth(number).locator("ol li span")
            expect(found).to_have_text([re.compile(re.escape(one.title)) for one in interest.items[:8]])
            expect(cards.nth(number)).to_have_class("" if number in asked.used else "off")
            expect(cards.nth(number).get_by_role("checkbox")).to_be_checked(checked=number in asked.used)
            expect(cards.nth(number)).to_have_css("--colour", interest_colour(number))


def switch(page, model, number):
    """Click the box of an interest, counted from 1."""
    page.locator("section.model").nth(model).get_by_role("checkbox", name=f"Interest {number}", exact=True).click()


def set_slider(page, name, value):
    page.get_by_label(name.replace("range slider", "number input")).fill(str(value))
    page.keyboard.press("Tab")


@needs_browser
def test_users_interests_and_variety_are_chosen_and_shown(page, models, users, first):
    check_shown(page, models, question(users[first]))
    page.get_by_label("User", exact=True).click()
    page.get_by_role("option", name=users[2].name).click()
    check_shown(page, models, question(users[2]))
    switch(page, 0, 1)
    switch(page, 0, 3)
    switch(page, 1, 2)
    used = [(1, 3), (0, 2)]
    check_shown(page, models, question(users[2]), used)
    set_slider(page, VARIETY, 12.5)
    check_shown(page, models, question(users[2], percent=12.5), used)
    set_slider(page, LENGTH, 7)
    check_shown(page, models, question(users[2], percent=12.5, top_n=7), used)
    set_slider(page, VARIETY, 1000)  # which the page sets to its largest
    set_slider(page, LENGTH, "")
    check_shown(page, models, question(users[2], percent=MOST_VARIETY, top_n=1), used)
    switch(page, 0, 3)
    check_shown(page, models, question(users[2], percent=MOST_VARIETY, top_n=1), [(1, 2, 3), (0, 2)])


@needs_browser
def test_a_link_and_the_address_carry_the_state(page, address, models, users):
    page.get_by_label("User", exact=True).click()
    page.get_by_role("option", name=users[2].name).click()
    switch(page, 0, 2)
    check_shown(page, models, question(users[2]), [(0, 2, 3), (0, 1, 2)])
    set_slider(page, LENGTH, 9)
    page.wait_for_url(f"{address}/?user={users[2].name}&interests=1%2C3%2C4&interests=1%2C2%2C3&top_n=9")
    page.reload()
    check_shown(page, models, question(users[2], top_n=9), [(0, 2, 3), (0, 1, 2)])
    page.goto(f"{address}/?user={users[3].name}&history=i3&history=i7&interests=2&interests=&category=c1")
    earlier = [item for item in users[3].history if item not in users[3].history[-6:]]
    asked = question(users[3])._replace(history=[numbered(models, "i3"), numbered(models, "i7")], earlier=earlier)
    check_shown(page, models, asked._replace(category=["c1"]), [(1,), ()])
    assert page.get_by_role("link", name="Link to this view").get_attribute("href") in page.url


def numbered(models, name):
    return models[0].predictor.numbers[name]


@needs_browser
def test_a_link_that_cannot_be_shown_says_why(page, address, models, users, first):
    page.goto(f"{address}/?user=<b>&interests=1&top_n=0&variety=nan")
    told = page.get_by_role("alert").locator("li")
    told.first.wait_for()
    assert [one.split(":")[0] for one in told.all_text_contents()] == ["user", "interests", "top_n", "variety"]
    check_shown(page, models, question(users[first]))
    switch(page, 0, 2)
    page.get_by_role("link", name="Link to this view").wait_for()


CONTRASTS = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number)
  const opaque = (node) => {
    for (; node; node = node.parentElement) {
      const [r, g, b, a] = parse(getComputedStyle(node).backgroundColor)
      if (a === undefined || a > 0) return [r, g, b, a ?? 1]
    }
    return [255, 255, 255, 1]
  }
  const found = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement
    if (!walker.currentNode.data.trim() || !node.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
      continue
    if (["SCRIPT", "STYLE", "NOSCRIPT"].includes(node.tagName)) continue
    found.push([walker.currentNode.data.trim(), parse(getComputedStyle(node).color), opaque(node)])
  }
  for (const node of document.querySelectorAll("input:not([type=checkbox])")) {
    if (node.checkVisibility()) found.push([node.value, parse(getComputedStyle(node).color), opaque(node)])
  }
  return found
}"""


@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_has_contrast(page, address, theme):
    page.goto(f"{address}/?__theme={theme}")
    page.wait_for_selector("table.merged")
    switch(page, 0, 2)
    page.locator("article.off").first.wait_for()
    found = page.evaluate(CONTRASTS)
    assert len(found) > 100
    poor = {}
    for text, colour, behind in found:
        assert [*colour[3:], 1.0][0] == behind[3] == 1.0, text  # nothing shines through
        if contrast(colour[:3], behind[:3]) < 4.5:
            poor[text] = (colour, behind, contrast(colour[:3], behind[:3]))
    assert not poor


@needs_browser
def test_the_keyboard_is_enough(page, models, users, first):
    def go_to(name):
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.getAttribute('aria-label')") == name:
                return
        raise AssertionError(f"Tab never comes to {name}")

    go_to("User")
    page.keyboard.press("ArrowUp" if first else "ArrowDown")
    page.keyboard.press("Enter")
    near = users[first - 1 if first else 1]
    check_shown(page, models, question(near))
    go_to(VARIETY)
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    check_shown(page, models, question(near, percent=1.5))
    go_to("Interest 4")
    page.keyboard.press("Space")
    check_shown(page, models, question(near, percent=1.5), [(0, 1, 2), (0, 1, 2)])
    page.keyboard.press("Space")  # the box has kept the focus
    check_shown(page, models, question(near, percent=1.5), [ALL, (0, 1, 2)])


@needs_browser
def test_a_history_is_built_by_titles_from_an_export_alone(browser, folder, models):
    with running(folder / "out/export") as address, browser.new_page() as page:
        page.goto(address)
        page.get_by_text("No history: choose a user or add titles.").wait_for()
        assert page.get_by_label("User", exact=True).count() == 0
        box = page.get_by_label("History, oldest first")
        for title in (exports.TITLES[7], exports.TITLES[12]):
            box.press_sequentially(title.split("&")[0])
            page.get_by_role("option", name=title, exact=True).wait_for()
            box.press("Enter")
        history = [models[0].titles.index(exports.TITLES[item]) for item in (7, 12)]
        check_shown(page, models[:1], Question(history, ALL, 0.0, 20))
        box.press("Backspace")
        check_shown(page, models[:1], Question(history[:1], ALL, 0.0, 20))


@needs_browser
def test_a_model_of_one_interest_has_no_box_for_it(browser, folder, tmp_path, users):
    from playwright.sync_api import expect

    options = ["hyper_parameters.model=youtube_dnn", f"runner.model_save_path={tmp_path}"]
    config = load_settings(folder / "out/best/config.yaml", options)
    exports.save(config)
    exporter.export(config, tmp_path / "export")
    with running(tmp_path / "export", "--users", folder / "data/test") as address, browser.new_page() as page:
        page.goto(address)
        model = Explorer(folder=tmp_path / "export")
        user = users[Page(explorers={"one": model}, users=users).first()]
        titles = [one.title for one in model.answer(question(user, used=(0,))).items]
        expect(page.locator("table.merged tbody th")).to_have_text([re.compile(re.escape(one)) for one in titles])
        assert page.get_by_label(VARIETY).is_visible()
        assert page.locator("article input").count() == 0


@needs_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen_and_a_phone_shows_interests_first(width, browser, address):
    with browser.new_page(viewport={"width": width, "height": 844}) as page:
        page.goto(address)
        page.wait_for_selector("table.merged")
        history = page.get_by_label("History, oldest first")
        history.wait_for(state="hidden" if width < 640 else "visible")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        lefts = [one.bounding_box()["x"] for one in page.locator("section.model").all()]
        assert (lefts[0] == lefts[1]) == (width < 800)  # one under the other, or side by side
        card, table = (page.locator(one).first.bounding_box() for one in ("article", "table.merged"))
        assert card["y"] + card["height"] <= table["y"] or width > 800
        if width < 640:
            assert card["y"] < 844  # on the first screen
            page.get_by_role("button", name="History and settings").click()
            history.wait_for()


def fails(message, capsys, *argv):
    with pytest.raises(SystemExit) as end:
        explorer.main([*map(str, argv)])
    assert end.value.code == 2
    err = capsys.readouterr().err.splitlines()
    (line,) = [one for one in err if one.startswith("error: ")]
    assert message in line


def test_what_cannot_be_shown_is_told_in_a_line(folder, tmp_path, capsys):
    out, other = folder / "out/export", folder / "other/export"
    fails("one or two models are shown", capsys)
    fails("one or two models are shown", capsys, out, out, other)
    fails("-o overrides keys of -m config.yaml", capsys, out, "-o", "runner.seed=1")
    fails("no config.yaml here; make it with: python -m tools.export", capsys, tmp_path)
    fails("no data here; make it with", capsys, out, "--users", tmp_path)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        port = one.getsockname()[1]
        fails(f"nothing can listen at 127.0.0.1:{port}; choose another one", capsys, out, "--port", port)
    fails("nothing can listen at 127.0.0.1:65536; choose another one", capsys, out, "--port", 65536)


def test_two_models_of_other_items_are_refused(folder, tmp_path, capsys):
    shutil.copytree(folder / "other/export", tmp_path / "export")
    lines = (tmp_path / "export/item_map.csv").read_text().replace("\n3,", "\n3,other")
    (tmp_path / "export/item_map.csv").write_text(lines)
    checksums.write(tmp_path / "export")
    fails("ids would mean other items", capsys, folder / "out/export", tmp_path / "export")


def test_without_gradio_the_extra_is_named(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    fails("install it with: pip install '.[explorer]'", capsys, folder / "out/export")
