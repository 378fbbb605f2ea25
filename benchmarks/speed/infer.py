"""Speed of retrieval and measuring without a model: from interests to metrics, as JSON lines.

Example: python -m benchmarks.speed.infer --users 10000 --item_count 368000
Example: OPENBLAS_CORETYPE=SkylakeX python -m benchmarks.speed.infer

A line for exact search and one for HNSW over clustered vectors, and one for exact search over plain Gaussian ones, see
`benchmarks.speed.serve`. `times_search` is the whole time in units of its searches', `times_gemm` the searches' in
units of the bare product of that size in blocks, the quicker of NumPy's and Paddle's. `growth_mb` is by how much a run
over four times the users raises the peak of memory. On an AMD processor with AVX-512 give NumPy what Faiss gets, by the
variable in the second example.
"""

import argparse
import json
import logging
import time
from dataclasses import replace
from datetime import date
from functools import partial

import numpy as np
import paddle

from benchmarks.speed.memory import megabytes
from benchmarks.speed.serve import clustered, gaussian
from reader import InferBatch
from tools.common.errors import command
from tools.common.ragged import ragged
from tools.config.arguments import item_count, positive
from tools.config.load import Config
from tools.config.schema import HyperParameters
from tools.evaluation.evaluate import recommend
from tools.evaluation.report import Report
from tools.retrieval.exact import THREADS, faiss
from tools.retrieval.index import build, recall
from tools.retrieval.retriever import Retriever
from tools.training import runtime

ROWS = (("clustered", clustered, "flat"), ("clustered", clustered, "hnsw"), ("gaussian", gaussian, "flat"))


@command
def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=positive, default=10_000)
    parser.add_argument("--item_count", type=item_count, default=368_000, help="rows of the item table")
    args = parser.parse_args(argv)
    logging.disable(logging.INFO)
    config = Config(hyper_parameters=replace(HyperParameters(), item_count=args.item_count))
    runtime.prepare(use_gpu=False, seed=0)
    for kind, make, name in ROWS:
        items, interests = make(np.random.default_rng(0), args.item_count, config.hyper_parameters)
        runner = replace(config.runner, index=name)
        index = build(items, runner)
        found = recall(index, items[1:], interests.reshape(-1, items.shape[1]), max(runner.top_n))
        row = {"vectors": kind, "index": name, "users": args.users, "item_count": args.item_count}
        row |= {"recall": round(found, 4), **measure(Retriever(index=index), interests, args.users, config)}
        if name == "flat":
            row["times_gemm"] = round(row["search_s"] / gemm_seconds(items[1:], interests, args.users, config), 3)
        row |= {"threads": THREADS, "paddle": paddle.__version__, "faiss": faiss.__version__}
        print(json.dumps(row | {"date": date.today().isoformat()}), flush=True)


def measure(retriever, interests, users, config):
    """Users a second, share of the search, and memory of the road of `tools.evaluation.evaluate`."""
    spent, search = [], retriever.search

    def timed(*query):
        start = time.perf_counter()
        found = search(*query)
        spent.append(time.perf_counter() - start)
        return found

    retriever.search = timed
    run(retriever, interests, config.runner.infer_batch_size, config)  # warms up
    spent.clear()
    start = time.perf_counter()
    run(retriever, interests, users, config)
    total, searched, before = time.perf_counter() - start, sum(spent), megabytes("VmHWM")
    run(retriever, interests, 4 * users, config)
    return {
        "users_per_s": round(users / total), "total_s": round(total, 2), "search_s": round(searched, 2),
        "times_search": round(total / searched, 3), "growth_mb": round(megabytes("VmHWM") - before, 1),
    }  # fmt: skip


def run(retriever, interests, users, config):
    """Lists and a whole report of so many users, interests taken over and over, 5 to 20 targets each."""
    item_count, top_n = config.hyper_parameters.item_count, config.runner.top_n
    of_item = np.random.default_rng(2).integers(0, 10, item_count)  # category and decile
    report = Report(top_n=top_n, category=of_item, decile=of_item, item_count=item_count)
    embed_batch = partial(embed, interests=interests)
    for batch, embedded, (lists,) in recommend(batches(users, config), embed_batch, retriever, config):
        report.update(lists.items, batch.target, batch.target.lengths, *embedded)
    return report.result()


def batches(users, config):
    """Users, their targets, and nothing else that matters here."""
    rng = np.random.default_rng(1)
    for start in range(0, users, config.runner.infer_batch_size):
        user = np.arange(start, min(start + config.runner.infer_batch_size, users))
        lengths = rng.integers(5, 20, len(user))
        target = ragged(lengths, rng.integers(1, config.hyper_parameters.item_count, lengths.sum()))
        yield InferBatch(user, user[:, None], np.ones_like(user), target, target)


def embed(batch, interests):
    """Interests `[U, K, D]` and live mask `[U, K]` of a batch."""
    chosen = interests[batch.user % len(interests)]
    return chosen, np.ones(chosen.shape[:2], bool)


def gemm_seconds(vectors, interests, users, config):
    """The bare products of all users' interests: those of a batch, by the quickest library and block, times batches."""
    queries = np.resize(interests, (config.runner.infer_batch_size * interests.shape[1], vectors.shape[1]))
    tensors = [paddle.to_tensor(one) for one in (queries, vectors)]
    quickest = np.inf
    for block in (1024, 2048, 4096):
        out = np.empty((len(queries), block), np.float32)  # asking for its memory anew takes as long as the product
        starts = range(0, len(vectors) - block + 1, block)
        sides = (
            lambda n, block=block, out=out: np.matmul(queries, vectors[n : n + block].T, out=out),
            lambda n, block=block: paddle.matmul(tensors[0], tensors[1][n : n + block], transpose_y=True),
        )
        for product in sides:
            runs = []
            for _ in range(6):
                start = time.perf_counter()
                for n in starts:
                    product(n)
                runs.append(time.perf_counter() - start)
            quickest = min(quickest, np.median(runs[1:]) * len(vectors) / (len(starts) * block))
    return quickest * users / config.runner.infer_batch_size


if __name__ == "__main__":
    main()
