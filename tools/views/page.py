"""The explorer's page, of Gradio's parts."""

import contextlib
import logging
import os
import threading
import time
from functools import partial
from pathlib import Path

from tools.common.errors import UserError
from tools.views import markup
from tools.views.explore import Explorer, Question, User

MOST_CHOICES = 20_000  # titles that the browser searches: the most popular ones
MOST_ITEMS = 100
LISTED = 20  # items of the list that the page opens with
TRIED = 50  # users among whom the first one is chosen
MOST_VARIETY = 30  # percent of the range of the scores: beyond, lists hardly change
ABOUT = "The interests that a model finds in a history, what feeds each of them, and what they retrieve."
SEARCH = "Type to search titles, Enter adds one, Backspace takes the last away."
VARIETY = "Percent of the range of the scores that each item of a category already listed costs."
STYLE = Path(__file__).parent / "explorer.css"


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

    def __init__(self, *, explorers: dict[str, Explorer], users: list[User]):
        self.explorers, self.users = explorers, users
        self.maxlen = max(one.predictor.maxlen for one in explorers.values())
        self.interest_num = max(one.interest_num for one in explorers.values())
        self.titles = next(iter(explorers.values())).titles
        self.item_num = len(self.titles) - 1
        self.most_items = min(MOST_ITEMS, self.item_num)

    def history(self, user) -> list[int]:
        """The last items of a user, each once; none for None."""
        items = [] if user is None else self.users[user].history
        return list(dict.fromkeys(reversed(items)))[: self.maxlen][::-1]

    def first(self) -> int | None:
        """The user whom the page opens on: of the first ones whose list has hits of most interests, then most hits."""

        def worth(user):
            answer = next(iter(self.explorers.values())).answer(self.question(user, self.history(user)))
            hits = [one.interest for one in answer.items if one.hit]
            return len(set(hits)), len(hits)

        return max(range(min(len(self.users), TRIED)), key=worth, default=None)

    def question(self, user, history, used=MOST_ITEMS, percent=0.0, top_n=LISTED, category=()) -> Question:
        """What is asked of a model; arguments as in `look`, within their bounds."""
        who = User("", [], [], {}) if user is None else self.users[user]
        earlier = [item for item in who.history if item not in self.history(user)]
        return Question(history, used, percent / 100, top_n, earlier, who.target, who.profile, list(category))

    def choices(self) -> list[tuple[str, int]]:
        """Titles and ids of what a history may hold: the most popular items and those of the users."""
        known = {item for user in range(len(self.users)) for item in self.history(user)}
        known |= set(range(1, min(self.item_num, MOST_CHOICES) + 1))
        return [(self.titles[item], item) for item in sorted(known)]

    def categories(self) -> list[str]:
        """Names of the categories of items, none where there are none."""
        return list(next(iter(self.explorers.values())).predictor.catalogue.category_numbers)

    def look(self, user, history, used, percent, top_n, category=()) -> list[str]:
        """The answers of all models as HTML.

        Args:
            user: place in `users`, or None.
            history: our ids, oldest first.
            used: K'.
            percent: of the range of the scores, for lambda.
            top_n: N; these three may be anything that one can type into a number.
            category: names of those that alone may be retrieved; none: all.
        """
        used, top_n = round(within(used, 1, self.interest_num)), round(within(top_n, 1, self.most_items))
        percent = within(percent, 0, MOST_VARIETY)
        question = self.question(user, history, used, percent, top_n, category)
        found = []
        for label, explorer in self.explorers.items():
            start = time.perf_counter()
            answer = explorer.answer(question) if history else None
            found.append(markup.section(label, answer, used, 1e3 * (time.perf_counter() - start)))
        return found

    def choose(self, user, *settings) -> list:
        """The history of another user, and the answers to it."""
        history = self.history(user)
        return [history, *self.look(user, history, *settings)]

    def build(self, gradio):
        """The page as Gradio's blocks."""
        first, slider = self.first(), partial(gradio.Slider, step=1, buttons=[])
        with gradio.Blocks(title="Explorer", analytics_enabled=False) as blocks:
            gradio.HTML(f"<h1>Explorer</h1><p>{ABOUT}</p>")
            with gradio.Row():
                with gradio.Column(min_width=300, scale=2):
                    names = [(f"{one.name} ({len(one.history)} items)", row) for row, one in enumerate(self.users)]
                    user = gradio.Dropdown(names, value=first, label="User", visible=bool(names))
                    chosen = self.history(first)
                    history = gradio.Dropdown(
                        self.choices(), value=chosen, multiselect=True, label="History, oldest first", info=SEARCH
                    )
                with gradio.Column(min_width=300):
                    several, longest = self.interest_num, self.most_items
                    used = slider(1, max(several, 2), several, label="Interests used (K')", visible=several > 1)
                    percent = slider(0, MOST_VARIETY, 0, step=0.5, label="Variety (lambda)", info=VARIETY)
                    top_n = slider(1, max(longest, 2), min(LISTED, longest), label="Items in the list")
                    known = self.categories()
                    category = gradio.Dropdown(
                        known, value=[], multiselect=True, label="Only these categories", visible=bool(known)
                    )
            with gradio.Row():
                answers = []
                for text in self.look(first, chosen, several, 0, min(LISTED, longest)):
                    with gradio.Column(min_width=340):
                        answers.append(gradio.HTML(text))
            how = {
                "queue": False, "show_progress": "hidden", "trigger_mode": "always_last", "api_visibility": "private",
                "preprocess": False,  # which refuses a number out of range, where the slider goes to its end
            }  # fmt: skip
            settings = [history, used, percent, top_n, category]
            gradio.on(
                [one.change for one in settings],
                self.look, [user, *settings], answers, **how,
            )  # fmt: skip
            user.input(self.choose, [user, *settings[1:]], [history, *answers], **how)
        return blocks


def within(number, low, high):
    """What a slider makes of a number; of none, its low end."""
    return min(max(low if number is None else number, low), high)


def serve(gradio, blocks, host, port):
    """Serve a page until Ctrl-C; a `UserError` where nothing can listen there."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # of Gradio's questions to itself
    theme = gradio.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    theme.set(body_text_color_subdued="*neutral_600", block_info_text_color="*neutral_600")
    style = f"<style>{STYLE.read_text(encoding='utf-8')}</style>"  # what Gradio takes as CSS loses @container
    try:
        blocks.launch(
            server_name=host, server_port=port, share=False, quiet=True, prevent_thread_lock=True, ssr_mode=False,
            footer_links=[], theme=theme, head=style,
        )  # fmt: skip
    except (OSError, OverflowError):  # taken, no address, above 65535
        raise UserError(f"--port: nothing can listen at {host}:{port}; choose another one") from None
    print(f"the explorer is at http://{host}:{port}; Ctrl-C ends it", flush=True)
    try:
        threading.Event().wait()
    finally:
        blocks.close()
