"""Requests a second over HTTP while the export is replaced, and what a `Predictor` does without HTTP, as a JSON line.

Example: python -m benchmarks.speed.http --seconds 60 --swaps 3
Example: python -m benchmarks.speed.http --export output/export --seconds 10 --rate 0

Makes an export of random vectors around common centres with an HNSW index (368,000 items take minutes), starts
`tools.serve --watch` on the loopback interface and asks for lists of one history each over several connections. With
--rate a request is due each 1/rate seconds and its latency counts from then, so that a stalled service is not spared;
with --rate 0 each connection asks as soon as it has its answer. A failure is any reply other than a full list.
Latencies are also told apart: `swap` while an export is opened, `still` in between, and `steady` where the load's own
process, at the time and shortly before, got its usual work done in its usual processor time; `steady` is their share.
Then `echo`: as many requests, as long, to a service that computes nothing, which is the least that this machine takes.
`index_recall`: the share of the exact lists of the interests that the index finds.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import faiss
import numpy as np
import paddle

from benchmarks.speed.load import TOP_N, Load, ask, percentiles
from benchmarks.speed.steady import Steady
from tools.common import checksums, replacing
from tools.common.errors import UserError, command
from tools.common.ragged import cut_histories, ragged
from tools.common.written import save_array
from tools.config.arguments import positive
from tools.config.load import Config
from tools.config.schema import HyperParameters, Runner
from tools.data.dataset import write_map
from tools.retrieval.index import recall, store
from tools.serving import exported
from tools.serving.predictor import Predictor
from tools.serving.user_tower import save_tower
from tools.training import runtime
from tools.training.dygraph import DygraphModel

CENTRES, LENGTH, HISTORIES, ALONE = 2000, 20, 1000, 2000  # the last: requests to the Predictor
WAIT = 60  # seconds for an export to be served


@command
def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--item_count", type=partial(positive, low=1000), default=368_000, help="default: 368000")
    parser.add_argument("--export", type=Path, metavar="FOLDER", help="an export to copy; default: one is made")
    parser.add_argument("--seconds", type=positive, default=60, help="default: 60")
    parser.add_argument("--swaps", type=partial(positive, low=0), default=3, help="exports put in place; default: 3")
    parser.add_argument("--connections", type=positive, default=32, help="default: 32")
    parser.add_argument("--rate", type=partial(positive, low=0), default=600, help="requests a second; default: 600")
    args = parser.parse_args(argv)
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "export"
        if args.export:
            shutil.copytree(args.export, folder)
        else:
            write_export(folder, args.item_count)
        predictor = Predictor(folder=folder)
        histories = draw_histories(predictor)
        alone = measure_alone(predictor, histories) | {"index_recall": index_recall(predictor, histories)}
        items = predictor.item_num
        del predictor
        row = {"items": items, **measure_http(folder, histories, args), **alone}
        row |= {"paddle": paddle.__version__, "faiss": faiss.__version__, "date": date.today().isoformat()}
        print(json.dumps(row), flush=True)


def write_export(folder, item_count):
    """An export of MIND with random item vectors, an HNSW index and an item map."""
    runtime.prepare(use_gpu=False, seed=0)
    hyper = replace(HyperParameters(), item_count=item_count, near_identity=True)  # so that interests lie among items
    config = Config(replace(Runner(), index="hnsw", top_n=[TOP_N]), hyper)
    rng, size = np.random.default_rng(0), config.hyper_parameters.embedding_dim
    centre = rng.normal(size=(CENTRES, size)).astype("float32")
    vectors = centre[rng.integers(CENTRES, size=item_count)]
    vectors += 0.5 * rng.normal(size=vectors.shape).astype("float32")
    vectors[0] = 0
    model = DygraphModel().create_model(config)
    model.item_table.weight.set_value(vectors / 8)  # of a length that the squash of the capsules leaves apart
    folder.mkdir()
    save_tower(model, folder / "user_tower")
    save_array(folder / "item_vectors.npy", model.item_vectors().numpy())
    write_map(folder / "item_map.csv", ("item", "original"), ((item, f"item-{item}") for item in range(1, item_count)))
    store(config.runner).write(folder, model.item_vectors().numpy())
    for name in (exported.CONFIG, exported.TRAINED):
        config.save(folder / name)
    checksums.write(folder)


def draw_histories(predictor) -> list[list[int]]:
    """Histories of a few neighbourhoods each, as people's are."""
    rng, histories = np.random.default_rng(1), []
    for _ in range(HISTORIES):
        vectors = predictor.retriever.vectors[rng.integers(1, predictor.item_num, 3)]
        items, _ = predictor.retriever.search(vectors[None], np.ones((1, 3), bool), 10)
        histories.append(rng.permutation(items[items > 0])[:LENGTH].tolist())
    return histories


def index_recall(predictor, histories) -> float:
    """Share of the exact lists of the histories' interests that the index finds."""
    items = ragged([len(one) for one in histories], np.concatenate(histories))
    interests, live = predictor.embed(*cut_histories(items, np.arange(len(histories)), items.lengths, predictor.maxlen))
    return round(recall(predictor.retriever.index, predictor.vectors[1:], interests[live], TOP_N), 4)


def measure_alone(predictor, histories) -> dict:
    """One history after the other, without HTTP."""
    spent = []
    for request in range(ALONE + 100):
        start = time.perf_counter()
        predictor.recommend([histories[request % HISTORIES]], TOP_N)
        spent.append(time.perf_counter() - start)
    spent = spent[100:]  # the first warm up
    return {"predictor_per_s": round(len(spent) / sum(spent)), **percentiles(spent, "predictor_")}


def measure_http(folder, histories, args) -> dict:
    """The service under load, exports put in its place meanwhile."""
    names = Predictor(folder=folder).names
    bodies = [json.dumps({"history": [names[item] for item in one], "top_n": TOP_N}).encode() for one in histories]
    with started("tools.serve", str(folder), "--watch", "--port") as (server, port):
        row = asyncio.run(under_load(server, folder, port, bodies, args))
    with started("benchmarks.speed.echo") as (server, port):
        return row | asyncio.run(echoed(server, port, bodies, args))


@contextlib.contextmanager
def started(*command):
    """A module's process on a free port, its last argument: the process and the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-m", *command, str(port)], stderr=subprocess.DEVNULL) as server:
        try:
            yield server, port
        finally:
            server.terminate()


async def echoed(server, port, bodies, args) -> dict:
    """What the same requests take where nothing is computed."""
    await wait_ready(server, port)
    load = Load(port=port, bodies=bodies, rate=args.rate)
    await load.run(args.connections, args.seconds)
    return {"echo_failures": load.failures, **percentiles(np.array(load.spent)[:, 1], "echo_")}


async def under_load(server, folder, port, bodies, args) -> dict:
    """Load and swaps side by side."""
    first = await wait_ready(server, port)
    swaps = prepare_swaps(folder, args.swaps)
    load = Load(port=port, bodies=bodies, rate=args.rate)
    warm = Load(port=port, bodies=bodies, rate=args.rate)
    await warm.run(args.connections, 1)
    pause = args.seconds / (args.swaps + 1)
    swapped = (swap(server, port, one, folder, pause * number) for number, one in enumerate(swaps, 1))
    machine = Steady()
    watch = asyncio.create_task(machine.watch())
    _, *spans = await asyncio.gather(load.run(args.connections, args.seconds), *swapped)
    watch.cancel()
    due, spent = np.array(load.spent).T
    steady = machine.steady(due, due + spent)
    within = np.any([(due > start) & (due < end) for start, end, _ in spans] or [due < 0], axis=0)
    return {
        "seconds": args.seconds, "connections": args.connections, "rate": args.rate, "requests": len(spent),
        "failures": load.failures, "swaps": len({export for *_, export in spans} - {first}),
        "requests_per_s": round(len(spent) / args.seconds), **percentiles(spent), "max_ms": round(1e3 * max(spent), 1),
        **percentiles(spent[~within], "still_"), **percentiles(spent[within], "swap_"),
        "steady": round(float(steady.mean()), 3), **percentiles(spent[steady], "steady_"),
        "swap_s": [round(end - start, 1) for start, end, _ in spans],
    }  # fmt: skip


async def swap(server, port, one, folder, pause) -> tuple[float, float, str]:
    """Put an export in place after a pause: when that was, when another one was served, and which."""
    await asyncio.sleep(pause)
    before = now = await wait_ready(server, port)
    start = time.perf_counter()
    await asyncio.to_thread(replacing.put, one, folder)  # which also removes the old one
    while now == before and time.perf_counter() < start + WAIT:
        await asyncio.sleep(0.1)
        now = await wait_ready(server, port)
    return start, time.perf_counter(), now


def prepare_swaps(folder, swaps) -> list[Path]:
    """Exports beside one, the same but for a file more, so that their checksums differ."""
    found = [folder.with_name(f"next-{swap}") for swap in range(swaps)]
    for one in found:
        shutil.copytree(folder, one, copy_function=os.link)
        (one / checksums.NAME).unlink()  # else the others' would be overwritten
        (one / "swap.txt").write_text(one.name)
        checksums.write(one)
    return found


async def wait_ready(server, port) -> str:
    """Which export is served, once one is."""
    while server.poll() is None:
        with contextlib.suppress(OSError):
            status, body = await ask(*await asyncio.open_connection("127.0.0.1", port), "GET", "/ready", b"")
            if status == 200:
                return json.loads(body)["export"]
        await asyncio.sleep(0.2)
    raise UserError(f"the service ended with code {server.returncode}; see: python -m tools.serve --help")


if __name__ == "__main__":
    main()
