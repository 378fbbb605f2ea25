"""Serving speed of an exported model: latency of one history to its top 50, and users a second, as JSON lines.

Example: python -m benchmarks.speed.serve --item_count 368000

A line for each index: exact search and HNSW over clustered vectors, HNSW over plain Gaussian ones. Tower and search are
timed apart; the tower's weights are random, so the search gets interests of its own, made like the items. Clustered: an
item is c + 0.5 N(0, I), c one of 2,000 centres from N(0, I). `times_gemm` is the search's time in units of the bare
product and top-k of the same size in the same run.
"""

import argparse
import json
import logging
import tempfile
import time
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import paddle

from tools.common import checksums
from tools.common.errors import command
from tools.config.arguments import positive
from tools.config.load import Config
from tools.config.schema import HyperParameters
from tools.retrieval.exact import faiss
from tools.retrieval.index import store
from tools.retrieval.retriever import Retriever
from tools.serving import exported
from tools.serving.predictor import Predictor
from tools.serving.user_tower import save_tower
from tools.training import runtime
from tools.training.dygraph import DygraphModel

TOP_N, CENTRES, REQUESTS, BATCH = 50, 2000, 500, 256


@command
def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--item_count", type=partial(positive, low=TOP_N + 1), default=368_000, help="rows of the item table"
    )
    parser.add_argument("--links", type=positive, default=32, help="links of an item in the HNSW graph")
    parser.add_argument("--ef", type=positive, default=128, help="candidates that HNSW keeps while it searches")
    args = parser.parse_args(argv)
    logging.disable(logging.INFO)
    config = Config(hyper_parameters=replace(HyperParameters(), item_count=args.item_count))
    runtime.prepare(use_gpu=False, seed=0)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        predictor = open_predictor(Path(folder), config)
        for kind, make in (("clustered", clustered), ("gaussian", gaussian)):
            items, interests = make(rng, args.item_count, config.hyper_parameters)
            exact = Retriever.exact(items)
            if kind == "clustered":
                report(kind, "flat", predictor, exact, interests, exact, args)
            report(kind, "hnsw", predictor, graph(exact, args), interests, exact, args)


def open_predictor(folder, config) -> Predictor:
    """An export of an untrained model, opened as `tools.predict` opens it."""
    model = DygraphModel().create_model(config)
    save_tower(model, folder / "user_tower")
    vectors = np.zeros((config.hyper_parameters.item_count, config.hyper_parameters.embedding_dim), np.float32)
    np.save(folder / "item_vectors.npy", vectors)
    store(config.runner).write(folder, vectors[:2])
    for name in (exported.CONFIG, exported.TRAINED):
        config.save(folder / name)
    checksums.write(folder)
    return Predictor(folder=folder)


def clustered(rng, item_count, hyper):
    """Items `[V, D]` and interests `[1000, K, D]` around common centres."""
    size = hyper.embedding_dim
    centre = rng.normal(size=(CENTRES, size)).astype("float32")
    return tuple(
        centre[rng.integers(CENTRES, size=shape)] + 0.5 * rng.normal(size=(*shape, size)).astype("float32")
        for shape in ((item_count,), (1000, hyper.interest_num))
    )  # fmt: skip


def gaussian(rng, item_count, hyper):
    """Items `[V, D]` and interests `[1000, K, D]` without any structure."""
    shapes = ((item_count, hyper.embedding_dim), (1000, hyper.interest_num, hyper.embedding_dim))
    return tuple(rng.normal(size=shape).astype("float32") for shape in shapes)


def graph(exact, args) -> Retriever:
    """The same items in an HNSW graph."""
    vectors = exact.index.reconstruct_n(0, exact.index.ntotal)
    index = faiss.IndexHNSWFlat(vectors.shape[1], args.links, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = 2 * args.links, args.ef
    index.add(vectors)
    return Retriever(index=index)


def report(kind, name, predictor, retriever, interests, exact, args):
    """Time one index and print its line."""
    tower, search, gemm = timings(predictor, retriever, interests, exact, args, size=1, runs=REQUESTS)
    towers, searches, gemms = (
        np.median(one) for one in timings(predictor, retriever, interests, exact, args, BATCH, 6)
    )
    whole = tower + search
    row = {
        "vectors": kind, "index": name, "item_count": args.item_count, "recall": recall(retriever, exact, interests),
        "p50_ms": milliseconds(np.median(whole)), "p99_ms": milliseconds(np.percentile(whole, 99)),
        "tower_p50_ms": milliseconds(np.median(tower)), "search_p50_ms": milliseconds(np.median(search)),
        "users_per_s": round(BATCH / (towers + searches)), "tower_users_per_s": round(BATCH / towers),
        "search_users_per_s": round(BATCH / searches),
        "times_gemm_one": round(np.median(search) / np.median(gemm), 3), "times_gemm_batch": round(searches / gemms, 3),
        "paddle": paddle.__version__, "faiss": faiss.__version__, "date": date.today().isoformat(),
    }  # fmt: skip
    print(json.dumps(row), flush=True)


def timings(predictor, retriever, interests, exact, args, size, runs):
    """Seconds of the tower, of the search, and of the bare product, each `[runs]`, for so many users at once."""
    rng = np.random.default_rng(1)
    spent = []
    for run in range(runs + 2):
        rows = np.arange(run * size, (run + 1) * size) % len(interests)
        history = rng.integers(1, args.item_count, (size, predictor.maxlen)), np.full(size, predictor.maxlen)
        spent.append(
            (
                seconds(predictor.embed, *history),
                seconds(retriever.recommend, interests[rows], np.ones((size, interests.shape[1]), bool), TOP_N),
                seconds(product_and_top, interests[rows], exact) if run < 32 else np.nan,
            )
        )
    tower, search, gemm = np.array(spent[2:]).T  # the first two warm up
    return tower, search, gemm[~np.isnan(gemm)]


def recall(retriever, exact, interests) -> float:
    """Share of the exact top 50 that an index finds, mean over 200 users."""
    live = np.ones(interests.shape[:2], bool)[:200]
    lists = (one.recommend(interests[:200], live, TOP_N).items for one in (retriever, exact))
    return round(float(np.mean([len(np.intersect1d(*pair)) / TOP_N for pair in zip(*lists, strict=True)])), 4)


def seconds(call, *args):
    """How long a call takes."""
    start = time.perf_counter()
    call(*args)
    return time.perf_counter() - start


def product_and_top(interests, exact):
    """All scores of all interests, and the best of each: what any exact search must do at least."""
    vectors = faiss.rev_swig_ptr(exact.index.get_xb(), exact.index.ntotal * exact.index.d)
    flat = interests.reshape(-1, exact.index.d)
    scores = flat @ vectors.reshape(-1, exact.index.d).T
    np.partition(scores, -TOP_N, axis=1)


def milliseconds(value):
    """Seconds as milliseconds with two decimals."""
    return round(1e3 * float(value), 2)


if __name__ == "__main__":
    main()
