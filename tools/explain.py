"""Draw the interests of a model's users, as in MIND's figures 6 and 7; needs the extra plot.

Example: python -m tools.explain -m config.yaml
Example: python -m tools.explain -m config.yaml --pictures coupling items --user 405 --format png --output pictures

Writes a file explain-PICTURE.svg or .png for each picture:
coupling    the coupling of each item of a test user's history with each interest (MIND, fig. 6)
items       what each interest of that user retrieves, in a plane, by interest and by category (MIND, fig. 7)
similarity  the mean cosine of two interests over training, and of each pair of interests over the test users; only
            for models with several interests
"""

import argparse
from pathlib import Path

from models import MODELS
from tools.common import progress
from tools.common.errors import command
from tools.config.arguments import add_arguments, given_length
from tools.training import runtime
from tools.training.settings import load_settings
from tools.views.figures import open_pyplot, save
from tools.views.scene import PICTURES, Scene


@command
def main(argv=None):
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument(
        "--pictures", nargs="+", action="extend", choices=PICTURES, help="default: all that the model has"
    )
    parser.add_argument("--user", metavar="ID", help="your own id; default: the first with the longest history")
    parser.add_argument("--top_n", type=given_length, default=50, metavar="N", help="items an interest; default: 50")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: beside the checkpoints")
    parser.add_argument("--format", choices=("svg", "png"), default="svg", help="default: svg")
    args = parser.parse_args(argv)
    settings = load_settings(args.config_yaml, args.opt, MODELS)
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
