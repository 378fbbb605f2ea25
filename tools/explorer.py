"""Open a page that shows the interests in a history and what they retrieve; needs the extra explorer.

Example: python -m tools.explorer -m config.yaml
Example: python -m tools.explorer output/export --users data/movielens-100k/test --port 7861
Example: python -m tools.explorer -m config.yaml output/spread-1/export

Choose a user or build a history by titles; change how many interests retrieve (K') and what variety is worth (lambda).
Each EXPORT is a folder of tools.export; -m exports its checkpoint to a temporary folder. Two models can be shown side
by side. An export has no users: they come from the data set, with -m from its test split, else from --users.
"""

import argparse
import contextlib
import logging
import os
import tempfile
import threading
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

from models import MODELS
from tools.common.errors import UserError, command
from tools.config.load import add_arguments, load_config, positive
from tools.export import export
from tools.training import runtime
from tools.views import markup
from tools.views.explore import Explorer, Question, User, read_users

MOST_CHOICES = 20_000  # titles that the browser searches: the most popular ones
MOST_ITEMS = 100
MOST_VARIETY = 30  # percent of the range of the scores: beyond, lists hardly change
ABOUT = "The interests that a model finds in a history, what feeds each of them, and what they retrieve."
SEARCH = "Type to search titles, Enter adds one, Backspace takes the last away."
VARIETY = "Percent of the range of the scores that each item of a category already listed costs."
STYLE = Path(__file__).parent / "views/explorer.css"


@command
def main(argv=None):
    """Open the models, serve the page until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*", metavar="EXPORT", help="what tools.export wrote")
    add_arguments(parser, required=False)
    parser.add_argument(
        "--users", type=Path, metavar="FOLDER", help="a split of the data set; default: the test split of -m"
    )
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets others in; default: 127.0.0.1")
    parser.add_argument("--port", type=positive, default=7860, help="default: 7860")
    args = parser.parse_args(argv)
    if not 1 <= len(args.folders) + bool(args.config_yaml) <= 2:
        raise UserError("one or two models are shown: give -m config.yaml, EXPORT, or two of them")
    if args.opt and not args.config_yaml:
        raise UserError("-o overrides keys of -m config.yaml; an EXPORT is taken as it is")
    gradio = open_gradio()
    with tempfile.TemporaryDirectory() as temporary:
        explorers, split = open_explorers(args, Path(temporary))
        users = read_users(split, list(explorers.values())) if split else []
        serve(gradio, Page(explorers=explorers, users=users).build(gradio), args.host, args.port)


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


def open_explorers(args, temporary) -> tuple[dict[str, Explorer], Path | None]:
    """The models by label, and the split with their users."""
    folders, split = {str(one): one for one in args.folders}, args.users
    if args.config_yaml:
        settings = load_config(args.config_yaml, args.opt, MODELS)
        runtime.prepare(use_gpu=False, seed=settings.runner.seed)
        source = export(settings, temporary / "export")
        folders = {str(source): temporary / "export", **folders}
        split = split or Path(settings.runner.test_data_dir)
    explorers = {name: Explorer(folder=folder) for name, folder in folders.items()}
    if any(one.predictor.names != other.predictor.names for one, other in pairwise(explorers.values())):
        raise UserError(f"{' and '.join(explorers)} have other items or ids; give two models of one data set")
    return {f"{one.model}, {name}": one for name, one in explorers.items()}, split


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

    def choices(self) -> list[tuple[str, int]]:
        """Titles and ids of what a history may hold: the most popular items and those of the users."""
        known = {item for user in range(len(self.users)) for item in self.history(user)}
        known |= set(range(1, min(self.item_num, MOST_CHOICES) + 1))
        return [(self.titles[item], item) for item in sorted(known)]

    def look(self, user, history, used, percent, top_n) -> list[str]:
        """The answers of all models as HTML.

        Args:
            user: place in `users`, or None.
            history: our ids, oldest first.
            used: K'.
            percent: of the range of the scores, for lambda.
            top_n: N; these three may be anything that one can type into a number.
        """
        used, top_n = round(within(used, 1, self.interest_num)), round(within(top_n, 1, self.most_items))
        percent = within(percent, 0, MOST_VARIETY)
        who = User("", [], [], {}) if user is None else self.users[user]
        earlier = [item for item in who.history if item not in self.history(user)]
        question = Question(history, used, percent / 100, top_n, earlier, who.target, who.profile)
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
        first, slider = 0 if self.users else None, partial(gradio.Slider, step=1, buttons=[])
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
                    top_n = slider(1, max(longest, 2), min(20, longest), label="Items in the list")
            with gradio.Row():
                answers = []
                for text in self.look(first, chosen, several, 0, min(20, longest)):
                    with gradio.Column(min_width=340):
                        answers.append(gradio.HTML(text))
            how = {
                "queue": False, "show_progress": "hidden", "trigger_mode": "always_last", "api_visibility": "private",
                "preprocess": False,  # which refuses a number out of range, where the slider goes to its end
            }  # fmt: skip
            settings = [history, used, percent, top_n]
            gradio.on(
                [history.change, used.change, percent.change, top_n.change],
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


if __name__ == "__main__":
    main()
