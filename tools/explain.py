"""Draw the interests of a model's users, as in MIND's figures 6 and 7; needs the extra plot.

Example: python -m tools.explain -m config.yaml
Example: python -m tools.explain -m config.yaml --pictures coupling items --user 405 --format png --output pictures

Writes a file explain-PICTURE.svg or .png for each picture:
coupling    how much each item of a test user's history gives to each interest (MIND, fig. 6)
items       what each interest of that user retrieves, in a plane, by interest and by category (MIND, fig. 7)
similarity  the mean cosine of two interests over training, and of each two interests over the test users; only for
            models with several interests
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import paddle

from models import MODELS
from tools.common import progress
from tools.common.errors import UserError, command, did_you_mean
from tools.common.files import shown
from tools.config.load import Config, add_arguments, load_config, positive
from tools.data.dataset import open_split, read_categories, read_map
from tools.data.titles import titles
from tools.plot import curves, open_pyplot, save
from tools.retrieval.aggregate import merge
from tools.retrieval.retriever import Retriever
from tools.training import agreement, checkpoint, history, runtime
from tools.training.dygraph import DygraphModel
from tools.views import pictures

SIMILARITY = "valid/interest_similarity"  # in a run's history


class User(NamedTuple):
    """A user of the test split."""

    number: int  # our id
    hist_item: np.ndarray  # [T], as the model sees it, oldest first
    interests: np.ndarray  # [K, D]
    coupling: np.ndarray  # [K, T]
    live: np.ndarray  # [K]


class Scene:
    """What is drawn: a checkpoint, one test user, and how alike the interests of all test users are.

    Args:
        settings: the configuration.
        user: the user's own id; None: the first of those with the longest history that the model sees.
        top_n: items that each interest retrieves.

    Raises:
        UserError: for a model without vectors of two numbers or more, and a user who is not in test.
    """

    def __init__(self, *, settings: Config, user, top_n):
        self.folder, self.name, self.top_n = checkpoint.single(settings), settings.hyper_parameters.model, top_n
        agreement.check_checkpoint(self.folder, settings)
        self.graph = DygraphModel()
        self.model = self.graph.create_model(settings)
        checkpoint.load(self.folder, self.model, settings)
        with paddle.no_grad():
            none = np.zeros((0, 0), np.float32)
            self.vectors = none if self.model.gives_scores else self.model.item_vectors().numpy()  # [item_count, D]
        if self.vectors.shape[1] < 2:
            raise UserError(f"hyper_parameters.model: {self.name} has no vectors to draw; choose another model")
        self.data = Path(settings.runner.test_data_dir).parent
        names = read_map(self.data / "user_map.csv")
        found, self.cosine = self.embed(open_split("test", settings), number_of(user, names))
        if found is None:
            raise UserError(f"--user: {user} is not in test with a history and a target; name another or none")
        self.user = found
        self.told = f"{self.name}, user {shown(names.get(found.number, found.number))}"

    def embed(self, batches, number) -> tuple[User | None, np.ndarray]:
        """One user, and the mean cosine of each two interests over the users who have both, `[K, K]`.

        Args:
            batches: `reader.InferBatch`es.
            number: our id of the user, who is None in the answer where no batch has one; None: see `Scene`.
        """
        self.model.eval()
        chosen, total, users = None, 0.0, 0
        for batch in batches:
            feeds = self.graph.create_feeds([batch.hist_item, batch.seq_len, *batch.context])
            with paddle.no_grad():
                interests, coupling = (one.numpy() for one in self.model.route(*feeds))  # [B, K, D], [B, K, T]
                live = self.model.live_interests(feeds[1]).numpy()  # [B, K]
            length = batch.seq_len if number is None else batch.seq_len * (batch.user == number)
            row = int(length.argmax())
            if length[row] > (len(chosen.hist_item) if chosen else 0):
                items, weights = batch.hist_item[row, : length[row]], coupling[row, :, : length[row]]
                chosen = User(int(batch.user[row]), items, interests[row], weights, live[row])
            unit = pictures.unit(interests) * live[:, :, None]
            total = total + np.einsum("uid,ujd->ij", unit, unit)
            users = users + live.T.astype(np.int64) @ live
        return chosen, np.where(users > 0, total / np.maximum(users, 1), np.nan)


def number_of(user, names):
    """Our id of a user's own; None for None.

    Raises:
        UserError: for one who is not in the data set.
    """
    if user is None:
        return None
    numbers = {name: number for number, name in names.items()}
    if user in numbers:
        return numbers[user]
    if names or not user.isdecimal():
        raise UserError(f"--user: {user!r} is not a user of the data set{did_you_mean(user, numbers)}")
    return int(user)


def draw_coupling(pyplot, scene: Scene):
    """MIND's figure 6."""
    user, title = scene.user, titles(scene.data, len(scene.vectors))
    told = f"{scene.told}: what the history gives to each interest"
    return pictures.draw_coupling(pyplot, told, [title[item] for item in user.hist_item], user.coupling, user.live)


def draw_items(pyplot, scene: Scene):
    """MIND's figure 7."""
    user, vectors, depth = scene.user, scene.vectors, min(scene.top_n, len(scene.vectors) - 1)
    found = Retriever.exact(vectors).search(user.interests[None], user.live[None], depth)
    lists = merge(*found, depth * len(user.live))
    listed = lists.items[0] > 0  # an item that several interests retrieve stands once
    items, interest = lists.items[0, listed], lists.interest[0, listed]
    plane = pictures.project(vectors[items], vectors[user.hist_item], user.interests)
    category = read_categories(scene.data, len(vectors))
    if category is not None:
        names = read_map(scene.data / "category_map.csv", "name")
        category = np.array([names.get(one, "") for one in category[items].tolist()])
    told = f"{scene.told}: the {depth} best items of each interest"
    return pictures.draw_items(pyplot, told, plane, interest, category, user.live)


def draw_similarity(pyplot, scene: Scene):
    """Over training where the checkpoint has its run's history beside it, and on test."""
    if scene.model.interest_num == 1:
        raise UserError(f"--pictures: {scene.name} has one interest; similarity needs several")
    root = scene.folder.parent
    steps, values = curves(root).get(SIMILARITY, ([], [])) if (root / history.NAME).is_file() else ([], [])
    curve = (steps, values) if len(steps) > 1 else None
    step = checkpoint.read_state(scene.folder).get("step")
    return pictures.draw_similarity(pyplot, f"{scene.name}: how alike interests are", curve, step, scene.cosine)


PICTURES = {"coupling": draw_coupling, "items": draw_items, "similarity": draw_similarity}


@command
def main(argv=None):
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--pictures", nargs="+", choices=PICTURES, help="default: all that the model has")
    parser.add_argument("--user", metavar="ID", help="your own id; default: the first with the longest history")
    parser.add_argument("--top_n", type=positive, default=50, metavar="N", help="items an interest; default: 50")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: beside the checkpoints")
    parser.add_argument("--format", choices=("svg", "png"), default="svg", help="default: svg")
    args = parser.parse_args(argv)
    settings = load_config(args.config_yaml, args.opt, MODELS)
    pyplot = open_pyplot()
    runtime.prepare(settings.runner.use_gpu, settings.runner.seed)
    with progress.logging_to_terminal():
        scene = Scene(settings=settings, user=args.user, top_n=args.top_n)
        several = scene.model.interest_num > 1
        for name in args.pictures or [one for one in PICTURES if several or one != "similarity"]:
            path = (args.output or scene.folder.parent) / f"explain-{name}.{args.format}"
            save(PICTURES[name](pyplot, scene), path)
            print(f"written to {path}")


if __name__ == "__main__":
    main()
