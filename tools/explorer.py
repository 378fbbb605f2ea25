"""Open a page that shows the interests in a history and what they retrieve; needs the extra explorer.

Example: python -m tools.explorer -m config.yaml
Example: python -m tools.explorer output/export --users data/movielens-100k/test --port 7861
Example: python -m tools.explorer -m config.yaml output/spread-1/export

Choose a user, or build a history from titles. Switch interests on and off, and change what variety is worth (lambda)
and which categories may be listed. --exclude, --allow and --category hold for all that is shown. The address of the
page carries what you chose, so that you can share it as a link.
Each EXPORT is a folder of tools.export; -m exports its checkpoint to a temporary folder. Two models can be shown side
by side. An export has no users: they come from the data set, with -m from its test split, else from --users.
"""

import argparse
import tempfile
from itertools import pairwise
from pathlib import Path

from models import MODELS
from tools.common.errors import UserError, command
from tools.config.arguments import add_arguments, positive
from tools.data import identity
from tools.retrieval.selection import add_filter_arguments, read_filters
from tools.serving.exporter import export
from tools.training import runtime
from tools.training.settings import load_settings
from tools.views.explore import Explorer, read_users
from tools.views.page import Page, open_gradio, serve


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
    add_filter_arguments(parser)
    args = parser.parse_intermixed_args(argv)
    if not 1 <= len(args.folders) + bool(args.config_yaml) <= 2:
        raise UserError("one or two models are shown: give -m config.yaml, EXPORT, or two of them")
    if args.opt and not args.config_yaml:
        raise UserError("-o overrides keys of -m config.yaml; an EXPORT is taken as it is")
    gradio = open_gradio()
    with tempfile.TemporaryDirectory() as temporary:
        explorers, split = open_explorers(args, Path(temporary))
        users = read_users(split, list(explorers.values())) if split else []
        serve(gradio, Page(explorers=explorers, users=users).build(gradio), args.host, args.port)


def open_explorers(args, temporary) -> tuple[dict[str, Explorer], Path | None]:
    """The models by label, and the split with their users."""
    folders, split = {str(one): one for one in args.folders}, args.users
    if args.config_yaml:
        settings = load_settings(args.config_yaml, args.opt, MODELS)
        runtime.prepare(use_gpu=False, seed=settings.runner.seed)
        source = export(settings, temporary / "export")
        folders = {str(source): temporary / "export", **folders}
        split = split or Path(settings.runner.test_data_dir)
    filters = read_filters(args)
    explorers = {name: Explorer(folder=folder, filters=filters) for name, folder in folders.items()}
    if any(not same_items(one, other) for one, other in pairwise(explorers.values())):
        raise UserError(f"{' and '.join(explorers)} have other items or ids; give two models of one data set")
    return {f"{one.model}, {name}": one for name, one in explorers.items()}, split


def same_items(one: Explorer, other: Explorer) -> bool:
    """Whether ids mean the same in two exports; without item maps, whether their training files were the same."""
    first, second = identity.read(one.folder), identity.read(other.folder)
    files = (first.files, second.files) if first and second else (None, None)
    return one.predictor.names == other.predictor.names and (None in files or files[0] == files[1])


if __name__ == "__main__":
    main()
