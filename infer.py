"""Compute users' interests, retrieve items and measure.

Example: python infer.py -m config.yaml -top_n 20 50 --recommend recommendations.csv
Example: python infer.py -m config.yaml -o runner.index=hnsw
Example: python infer.py -m config.yaml --exclude sold_out.txt --category Comedy

Prints Recall, NDCG, HitRate, diversity and coverage on the test split, one row for each runner.diversity_lambda and one
for MostPop. Writes them to metrics.json with 95 % intervals, and by history length and popularity.
"""

import argparse
import contextlib
import json
import logging
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from models import MODELS
from tools.common import progress, replacing
from tools.common.errors import command
from tools.common.files import atomic_file
from tools.config.arguments import add_arguments, list_length
from tools.config.load import Config
from tools.data.dataset import data_files, read_map, read_sequences
from tools.evaluation.evaluate import RecommendationTable, recommend
from tools.evaluation.report import Report, popularity_deciles
from tools.evaluation.targets import count_targets, tell
from tools.retrieval.aggregate import Diversity
from tools.retrieval.exact import exact
from tools.retrieval.index import store
from tools.retrieval.selection import Catalogue, Filters, add_filter_arguments, read_filters
from tools.training import agreement, checkpoint, memory, runtime
from tools.training.settings import load_settings
from tools.training.splits import open_split
from tools.training.static import GRAPHS


@command
def main(argv=None):
    """Evaluate the best checkpoint, or a range of epochs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument(
        "-top_n",
        "--top_n",
        type=list_length,
        nargs="+",
        action="extend",
        metavar="N",
        help="list lengths; default: runner.top_n",
    )
    parser.add_argument(
        "--recommend",
        type=Path,
        metavar="FILE",
        help="write user,rank,item,score,interest as CSV, of the last checkpoint: lists of the test split's users, "
        "made of the first 80 %% of their histories (all but the last item by MIND's protocol); for every user with "
        "the whole history there is tools.recommend",
    )
    add_filter_arguments(parser)
    args = parser.parse_args(argv)
    settings = load_settings(args.config_yaml, args.opt, MODELS)
    if args.top_n:
        settings = replace(settings, runner=replace(settings.runner, top_n=args.top_n))
    runtime.prepare(settings.runner.use_gpu, settings.runner.seed)
    with progress.logging_to_terminal():
        infer(settings, args.recommend, read_filters(args))


def infer(settings: Config, table: Path | None, filters: Filters | None = None):
    """Measure, print, write `metrics.json`."""
    rows = measure(settings, table, filters)
    last = list(rows.values())[-1]
    logging.info("test, %d users, percent\n%s", last["users"], progress.metric_table(rows))
    write_metrics(settings, rows)


def measure(settings: Config, table: Path | None = None, filters: Filters | None = None) -> dict[str, dict]:
    """Embed, retrieve, measure: for a checkpoint a row of its plain lists and one a lambda, and one for MostPop.

    Args:
        settings: the configuration.
        table: where recommendations are written.
        filters: what every list may hold.

    Returns:
        Name of each system -> what `metrics.json` has of it.
    """
    memory.check(settings, training=False)
    for folder in checkpoint.folders(settings):
        agreement.check_checkpoint(folder, settings)
    study = Study(settings, filters)
    targets = study.count_targets()
    graph = GRAPHS[settings.runner.graph]()
    model = graph.create_model(settings)
    rows = {}
    for folder in checkpoint.folders(settings):
        started = time.perf_counter()
        checkpoint.load(folder, model, settings)
        with recommendation_table(table, settings) as written:
            index_of = partial(store(settings.runner).keep, folder, queries=partial(study.interests, graph, model))
            reports = study.measure(graph, model, study.diversity, written, index_of)
            results = [report.result() for report in reports]
        name = f"{settings.hyper_parameters.model} {folder.name}"
        for weight, result in zip(study.diversity.lambdas, results, strict=True):
            rows[f"{name} lambda {weight}" if weight else name] = result
        seconds = time.perf_counter() - started
        logging.info("epoch: %s done, %s, epoch time: %.2f s", folder.name, progress.metric_line(rows[name]), seconds)
    if study.train_items:
        rows["MostPop"] = study.most_popular()
    else:
        logging.info("%s: no such folder, so no row for MostPop", settings.runner.train_data_dir)
    return {name: row | {"targets": targets} for name, row in rows.items()}


class Study:
    """The test split, and what is known of its items: measures any number of systems.

    Args:
        settings: the configuration.
        filters: what every list may hold.
    """

    def __init__(self, settings: Config, filters: Filters | None = None):
        self.settings, runner = settings, settings.runner
        self.item_count: int = settings.hyper_parameters.item_count  # type: ignore[assignment]
        self.test_data = open_split("test", settings)
        given = runner.diversity_lambda or [0.0]
        lambdas = list(dict.fromkeys([0.0, *given]))  # the plain list is always there, and first
        maps = Path(runner.test_data_dir).parent
        self.diversity = Diversity.open(maps, lambdas, self.item_count)
        self.selection = Catalogue(folder=maps, item_count=self.item_count, filters=filters).base if filters else None
        self.written = lambdas.index(given[0])  # which lists go into a table of recommendations
        self.train_items = self.decile = self.count = None
        if Path(runner.train_data_dir).is_dir():
            self.train_items = read_sequences(data_files(runner.train_data_dir), self.item_count).items
            self.decile = popularity_deciles(self.train_items.values, self.item_count)
            self.count = np.bincount(self.train_items.values, minlength=self.item_count)

    def count_targets(self) -> dict[str, int]:
        """What the figures of the split can and cannot say, told in the log, too; see `tools.evaluation.targets`."""
        runner, trained = self.settings.runner, None if self.count is None else self.count > 0
        counts = count_targets(
            self.test_data, filter_seen=runner.filter_seen, trained=trained, selection=self.selection
        )
        tell("test", counts, runner.top_n, self.item_count - 1)
        return counts

    def interests(self, graph, model):
        """Interests `[n, D]` of the first batch, which an approximate index is held against exact search with."""
        interests, live = graph.infer_forward(model, next(iter(self.test_data)))
        return interests[live]

    def measure(self, graph, model, diversity: Diversity, table=None, index_of=exact) -> list[Report]:
        """A `Report` for each lambda.

        Args:
            graph: what runs the model.
            model: the model.
            diversity: the lambdas.
            table: the `RecommendationTable` that gets the lists of the first lambda in the configuration, if any.
            index_of: item vectors to the index that is searched.
        """
        runner, retriever = self.settings.runner, graph.create_retriever(model, index_of)
        options = {"top_n": runner.top_n, "category": diversity.category, "decile": self.decile, "count": self.count}
        reports = [Report(item_count=self.item_count, **options) for _ in diversity.lambdas]
        embed = partial(graph.infer_forward, model)
        for batch, embedded, each in recommend(
            self.test_data, embed, retriever, self.settings, diversity, self.selection
        ):
            for report, lists in zip(reports, each, strict=True):
                report.update(lists.items, batch.target, batch.seen.lengths, *embedded)
            if table:
                table.write(batch.user, each[self.written])
        return reports

    def most_popular(self) -> dict:
        """Metrics of the model `most_pop`, fitted here."""
        model = MODELS["most_pop"](item_count=self.item_count, maxlen=self.settings.hyper_parameters.maxlen)
        model.fit(self.train_items)
        return self.measure(GRAPHS["dynamic"](), model, Diversity((0.0,), self.diversity.category))[0].result()


def best_reports(settings: Config, lambdas=(0.0,), category=None) -> list[Report]:
    """The best checkpoint on what is `test_data_dir`, by exact search: a report for each lambda.

    Args:
        settings: the configuration.
        lambdas: of the lists; 0 is the plain one.
        category: of each item, `[item_count]`; None: the data set's own, where it has any.
    """
    study, graph = Study(settings), GRAPHS[settings.runner.graph]()
    model = graph.create_model(settings)
    (folder,) = checkpoint.folders(settings)
    checkpoint.load(folder, model, settings)
    return study.measure(graph, model, Diversity(lambdas, study.diversity.category if category is None else category))


def write_metrics(settings, rows):
    """`metrics.json` beside the checkpoints."""
    path = Path(settings.runner.infer_load_path or settings.runner.model_save_path) / "metrics.json"
    with atomic_file(path) as file:
        json.dump(rows, file, indent=1)
    logging.info("written to %s", path)


@contextlib.contextmanager
def recommendation_table(path, settings):
    """A table of recommendations in the user's own ids, or None without a path."""
    if path is None:
        yield None
        return
    maps = Path(settings.runner.test_data_dir).parent
    names = [read_map(maps / name) for name in ("user_map.csv", "item_map.csv")]
    with replacing.writing(path), atomic_file(path) as file:
        yield RecommendationTable(file, *names)
    logging.info(
        "written to %s: lists of the test split's users from the part of their histories that is evaluated; for every "
        "user with the whole history: python -m tools.recommend", path,
    )  # fmt: skip


if __name__ == "__main__":
    main()
