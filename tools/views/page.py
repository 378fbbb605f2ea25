"""The explorer's page, of Gradio's parts."""

import contextlib
import logging
import os
import threading
import time
from functools import partial
from pathlib import Path

from tools.common.errors import UserError
from tools.views import link, markup
from tools.views.explore import Explorer, Question, User
from tools.views.link import State

MOST_CHOICES = 20_000  # titles that the browser searches: the most popular ones
MOST_ITEMS = 100
LISTED = 20  # items of the list that the page opens with
TRIED = 50  # users among whom the first one is chosen
PHONE = 640  # pixels wide at most: settings are folded
MOST_VARIETY = 30  # percent of the range of the scores: beyond, lists hardly change
ABOUT = (
    "Each card is one interest: the items of the history that it is made of, and what it finds; the list has the best "
    "of the cards that are switched on."
)
SEARCH = "Type to search titles, Enter adds one, Backspace takes the last away."
VARIETY = "Percent of the range of the scores that each item of a category already listed costs."
STYLE, SCRIPT = (Path(__file__).parent / f"explorer.{kind}" for kind in ("css", "js"))


def open_gradio():
    """Gradio, which is to tell nobody that it is used; a `UserError` without the extra."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    for name in ("no_proxy", "NO_PROXY"):  # at its start it asks itself whether it is there
        os.environ[name] = ",".join([*filter(None, [os.environ.get(name)]), "localhost", "127.0.0.1"])
    try:
        import gradio
    except ImportError:
        raise UserError("the explorer needs an extra; install it with: pip install '.[explorer]'") from None
    with contextlib.suppress(ImportError):
        import matplotlib.pyplot  # noqa: F401  Gradio would import it at the first change, which would wait for it
    return gradio


class Page:
    """What is on the page, and what its events do.

    Args:
        explorers: the models by label.
        users: that may be chosen.
    """

    most_variety = MOST_VARIETY

    def __init__(self, *, explorers: dict[str, Explorer], users: list[User]):
        self.explorers, self.users = explorers, users
        one = next(iter(explorers.values()))
        self.maxlen = max(each.predictor.maxlen for each in explorers.values())
        self.every = [list(range(each.interest_num)) for each in explorers.values()]  # rows of each model's interests
        self.titles, self.catalogue = one.titles, one.predictor.catalogue
        self.item_num = len(self.titles) - 1
        self.most_items = min(MOST_ITEMS, self.item_num)
        self.listed = min(LISTED, self.most_items)
        self.names = self.catalogue.names
        self.numbers = {self.names[item]: item for _, item in self.choices()}  # own ids of what a history may hold
        first = self.first()
        self.start = State(first, self.history(first), self.every, 0.0, self.listed, [])

    def history(self, user) -> list[int]:
        """The last items of a user, each once; none for None."""
        items = [] if user is None else self.users[user].history
        return list(dict.fromkeys(reversed(items)))[: self.maxlen][::-1]

    def first(self) -> int | None:
        """The user whom the page opens on.

        Of the first ones, those whose list has hits of most interests; of these, the one whose interests find most
        different items; then most hits.
        """
        explorer = next(iter(self.explorers.values()))

        def worth(user):
            state = State(user, self.history(user), self.every, 0.0, self.listed, [])
            answer = explorer.answer(self.question(state, 0))
            hits = [one.interest for one in answer.items if one.hit]
            found = [one.item for interest in answer.interests for one in interest.items]
            return len(set(hits)), len(set(found)) / max(len(found), 1), len(hits)

        return max(range(min(len(self.users), TRIED)), key=worth, default=None)

    def question(self, state: State, place) -> Question:
        """What is asked of the model at a place."""
        who = User("", [], [], {}) if state.user is None else self.users[state.user]
        last = set(self.history(state.user))
        earlier = [item for item in who.history if item not in last]
        return Question(
            state.history, tuple(state.used[place]), state.percent / 100, state.top_n, earlier, who.target, who.profile,
            state.category,
        )  # fmt: skip

    def choices(self) -> list[tuple[str, int]]:
        """Titles and ids of what a history may hold: the most popular items and those of the users."""
        known = {item for user in range(len(self.users)) for item in self.history(user)}
        known |= set(range(1, min(self.item_num, MOST_CHOICES) + 1))
        return [(self.titles[item], item) for item in sorted(known)]

    def look(self, user, history, percent, top_n, category, *used) -> list[str]:
        """The answers of all models as HTML, and a link to them.

        Args:
            user: place in `users`, or None.
            history: our ids, oldest first.
            percent: of the range of the scores, for lambda.
            top_n: N; these two may be anything that one can type into a number.
            category: names of those that alone may be retrieved; none: all.
            used: of each model, rows of the interests that retrieve.
        """
        top_n, percent = round(within(top_n, 1, self.most_items)), within(percent, 0, MOST_VARIETY)
        state = State(user, history, [sorted(rows) for rows in used], percent, top_n, category)
        found = []
        for place, (label, explorer) in enumerate(self.explorers.items()):
            start = time.perf_counter()
            answer = explorer.answer(self.question(state, place)) if history else None
            spent = 1e3 * (time.perf_counter() - start)
            found.append(markup.section(place, label, answer, state.used[place], spent, self.titles))
        return [*found, markup.link(link.write(state, self))]

    def choose(self, user, *settings) -> list:
        """The history of another user, and the answers to it."""
        history = self.history(user)
        return [history, *self.look(user, history, *settings)]

    def open(self, query) -> list:
        """What a link shows: all that is chosen, and the answers; a `UserError` for one that cannot be shown."""
        state = link.read(query, self)
        chosen = [state.user, state.history, state.percent, state.top_n, state.category, *state.used]
        return [*chosen, *self.look(*chosen)]

    def build(self, gradio):
        """The page as Gradio's blocks."""
        with gradio.Blocks(title="Explorer", analytics_enabled=False) as blocks:
            gradio.HTML(f"<h1>Explorer</h1><p>{ABOUT}</p>")
            asked = gradio.Textbox(visible=False)  # what the browser says at its start
            *texts, near = self.look(self.start.user, self.start.history, 0, self.listed, [], *self.every)
            near, answers = gradio.HTML(near), []
            folded, user, *settings = self._controls(gradio)
            with gradio.Row():
                for text in texts:
                    with gradio.Column(min_width=340):
                        answers.append(gradio.HTML(text))
            answers.append(near)
            how = {
                "queue": False, "show_progress": "hidden", "trigger_mode": "always_last", "api_visibility": "private",
                "preprocess": False,  # which refuses a number out of range, where the slider goes to its end
            }  # fmt: skip
            gradio.on([one.change for one in settings], self.look, [user, *settings], answers, **how)
            user.input(self.choose, [user, *settings[1:]], [settings[0], *answers], **how)
            blocks.load(lambda width: gradio.update(open=width > PHONE), asked, folded, js="() => [innerWidth]", **how)
            shown = [user, *settings, *answers]

            def opened(query):
                kept = [gradio.skip()] * (len(shown) - 1)
                try:
                    return self.open(query) if query else [*kept, gradio.skip()]
                except UserError as error:
                    return [*kept, markup.refused(str(error))]

            blocks.load(opened, asked, shown, js="() => [location.search]", **how)
        return blocks

    def _controls(self, gradio) -> list:
        """What can be folded, and what chosen: user, history, variety, length, categories, each model's interests."""
        slider = partial(gradio.Slider, step=1, buttons=[])
        names = [(f"{one.name} ({len(one.history)} items)", place) for place, one in enumerate(self.users)]
        start, known = self.start, list(self.catalogue.category_numbers)
        user = gradio.Dropdown(names, value=start.user, label="User", visible=bool(names))
        with gradio.Accordion("History and settings") as folded, gradio.Row():
            with gradio.Column(min_width=300, scale=2):
                history = gradio.Dropdown(
                    self.choices(), value=start.history, multiselect=True, label="History, oldest first", info=SEARCH
                )
            with gradio.Column(min_width=300):
                percent = slider(0, MOST_VARIETY, 0, step=0.5, label="Variety (lambda)", info=VARIETY)
                top_n = slider(1, max(self.most_items, 2), self.listed, label="Items in the list")
                category = gradio.Dropdown(
                    known, value=[], multiselect=True, label="Only these categories", visible=bool(known)
                )
        used = [  # switched by the boxes of the cards
            gradio.CheckboxGroup(
                [(f"{row}", row) for row in rows], value=rows, visible="hidden", elem_id=f"used-{place}"
            )
            for place, rows in enumerate(self.every)
        ]
        return [folded, user, history, percent, top_n, category, *used]


def within(number, low, high):
    """What a slider makes of a number; of none, its low end."""
    return min(max(low if number is None else number, low), high)


def serve(gradio, blocks, host, port):
    """Serve a page until Ctrl-C; a `UserError` where nothing can listen there."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # of Gradio's questions to itself
    theme = gradio.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    theme.set(body_text_color_subdued="*neutral_600", block_info_text_color="*neutral_600")
    style, script = (path.read_text(encoding="utf-8") for path in (STYLE, SCRIPT))
    head = f"<style>{style}</style><script>{script}</script>"  # what Gradio takes as CSS loses @container
    try:
        blocks.launch(
            server_name=host, server_port=port, share=False, quiet=True, prevent_thread_lock=True, ssr_mode=False,
            footer_links=[], theme=theme, head=head,
        )  # fmt: skip
    except (OSError, OverflowError):  # taken, no address, above 65535
        raise UserError(f"--port: nothing can listen at {host}:{port}; choose another one") from None
    print(f"the explorer is at http://{host}:{port}; Ctrl-C ends it", flush=True)
    try:
        threading.Event().wait()
    finally:
        blocks.close()
