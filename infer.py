"""Embed users, retrieve items and measure: python infer.py -m config.yaml [-top_n 20 50] [-o key=value …].

Reports Recall, NDCG and HitRate on the test split beside MostPop's, and writes them to metrics.json.
"""

import argparse
import contextlib
import json
import logging
import time
from dataclasses import replace
from pathlib import Path

from models import MODELS
from tools import checkpoint, config, progress, runtime
from tools.dataset import data_files, open_split, read_map, read_sequences
from tools.errors import exits_with_code_2
from tools.evaluate import RecommendationTable, evaluate, recommend
from tools.files import atomic_file
from tools.static import GRAPHS


@exits_with_code_2
def main(argv=None):
    """Evaluate the best checkpoint, or a range of epochs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    config.add_arguments(parser)
    parser.add_argument(
        "-top_n", "--top_n", type=config.positive, nargs="+", metavar="N", help="list lengths; default: runner.top_n"
    )
    parser.add_argument(
        "--recommend",
        type=Path,
        metavar="FILE",
        help="write user,rank,item,score,interest as CSV, of the last checkpoint",
    )
    args = parser.parse_args(argv)
    settings = config.load_config(args.config_yaml, args.opt, MODELS)
    if args.top_n:
        settings = replace(settings, runner=replace(settings.runner, top_n=args.top_n))
    runtime.prepare(settings.runner.use_gpu, settings.runner.seed)
    with progress.logging_to_terminal():
        infer(settings, args.recommend)


def infer(settings: config.Config, table: Path | None):
    """Embed, retrieve, measure; one row a checkpoint and one for MostPop."""
    runner = settings.runner
    test_data = open_split("test", settings)
    graph = GRAPHS[runner.graph]()
    model = graph.create_model(settings)
    rows = {}
    for folder in checkpoint.folders(settings):
        started = time.perf_counter()
        checkpoint.load(folder, model, settings)
        retriever = graph.create_retriever(model)
        metrics = graph.create_metrics(settings)
        with recommendation_table(table, settings) as written:
            lists_of_all = recommend(test_data, lambda batch: graph.infer_forward(model, batch), retriever, settings)
            for batch, embedded, lists in lists_of_all:
                metrics.update(lists.items, batch.target)
                metrics.update_interests(*embedded)
                if written:
                    written.write(batch.user, lists)
        rows[f"{settings.hyper_parameters.model} {folder.name}"] = metrics.result()
        seconds = time.perf_counter() - started
        logging.info(
            "epoch: %s done, %s, epoch time: %.2f s", folder.name, progress.metric_line(metrics.result()), seconds
        )
    if Path(runner.train_data_dir).is_dir():
        rows["MostPop"] = most_popular(test_data, settings)
    else:
        logging.info("%s: no such folder, so no row for MostPop", runner.train_data_dir)
    logging.info("test, %d users, percent\n%s", metrics.users, progress.metric_table(rows))
    write_metrics(settings, rows)


def most_popular(test_data, settings) -> dict[str, float]:
    """Metrics of the model `most_pop`, fitted here."""
    item_count, graph = settings.hyper_parameters.item_count, GRAPHS["dynamic"]()
    model = MODELS["most_pop"](item_count=item_count, maxlen=settings.hyper_parameters.maxlen)
    model.fit(read_sequences(data_files(settings.runner.train_data_dir), item_count).items)
    retriever = graph.create_retriever(model)
    return evaluate(test_data, lambda batch: graph.infer_forward(model, batch), retriever, settings)


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
    with atomic_file(path) as file:
        yield RecommendationTable(file, *names)


if __name__ == "__main__":
    main()
