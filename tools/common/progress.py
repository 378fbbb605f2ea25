"""The one place that formats log lines and shows progress."""

import logging
import sys
import time
from contextlib import contextmanager

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

SHOWN = ("recall", "ndcg", "hitrate")  # metrics.json has all
LISTS = ("diversity", "coverage")  # in tables
SHAPE = ("interest_similarity", "norm_spread")  # where users have several interests
QUICK = 1.0  # seconds; what takes less need not be told
PAUSE = 30.0  # seconds between two lines of a long fit


@contextmanager
def logging_to_terminal(level=logging.INFO):
    """Log as PaddleRec does, above the progress bar where there is one; afterwards all is as it was before.

    Args:
        level: of the least that is told.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s - %(levelname)s - %(message)s"))
    root = logging.getLogger()
    before, level_before = root.handlers, root.level
    root.setLevel(level)
    others = [one for one in before if type(one) is not logging.StreamHandler]  # Paddle's import adds its own
    root.handlers = [*others, handler]
    try:
        with logging_redirect_tqdm():
            yield
    finally:
        root.handlers = before
        root.setLevel(level_before)


def progress(iterable, *, name, total=None):
    """The iterable, with a bar when standing at a terminal and none in a file; `total` where it has no length."""
    return tqdm(iterable, total=total, desc=name, disable=not sys.stderr.isatty(), leave=False, dynamic_ncols=True)


@contextmanager
def stage(name, quick=QUICK):
    """Log what a stage of the work was, what it counted and how long it took; a terminal shows the name meanwhile.

    Args:
        name: of the stage.
        quick: seconds below which it is told to those who debug only.

    Yields:
        A dictionary to fill: what is counted -> how many. A stage that fails is not logged.
    """
    counted: dict[str, int] = {}
    started = time.perf_counter()
    with tqdm(desc=name, bar_format="{desc} …", disable=not sys.stderr.isatty(), leave=False):
        yield counted
    seconds = time.perf_counter() - started
    told = "".join(f"{number:,} {what}, " for what, number in counted.items())
    logging.log(logging.INFO if seconds >= quick else logging.DEBUG, "%s: %s%.1f s", name, told, seconds)


def watched(iterable, *, name, total, pause=PAUSE):
    """`progress` of the steps of a part of a model's own `fit`, with a line after each pause and at the end.

    Args:
        iterable, name, total: see `progress`.
        pause: seconds between two lines.
    """
    started = told = time.perf_counter()
    for step, one in enumerate(progress(iterable, name=name, total=total), start=1):
        yield one
        now = time.perf_counter()
        if now - told >= pause or step == total:
            logging.info("%s: step %s of %s, %.1f s", name, f"{step:,}", f"{total:,}", now - started)
            told = now


class TrainingLog:
    """PaddleRec's training lines, one each `interval` batches.

    Args:
        interval: batches between two lines.
        batch_size: samples a batch.
    """

    def __init__(self, interval, batch_size):
        self.interval, self.batch_size = interval, batch_size
        self.restart()

    def restart(self):
        """Forget the time until now, as after an evaluation."""
        self.reader_cost = self.batch_cost = 0.0
        self.batches = 0
        self.mark = time.perf_counter()

    def read(self):
        """Note that the batch has been read."""
        self.read_at = time.perf_counter()
        self.reader_cost += self.read_at - self.mark

    def trained(self, epoch, batch_id, loss) -> bool:
        """Note that the batch has been trained; log a line when one is due, and say whether it was."""
        now = time.perf_counter()
        self.batch_cost += now - self.mark
        self.batches += 1
        self.mark = now
        due = batch_id % self.interval == 0
        if due:
            logging.info(
                "epoch: %d, batch_id: %d, loss:%.6f, avg_reader_cost: %.5f sec, avg_batch_cost: %.5f sec, "
                "avg_samples: %.5f, ips: %.5f ins/s",
                epoch, batch_id, loss, self.reader_cost / self.batches, self.batch_cost / self.batches,
                float(self.batch_size), self.batches * self.batch_size / self.batch_cost,
            )  # fmt: skip
            self.restart()
        return due


def metric_text(name, value) -> str:
    """A metric as people read it in lines: `12.35 %`, as in tables; what is no share, such as a cosine, as it is."""
    return f"{value:.4f}" if name in SHAPE else f"{100 * value:.2f} %"


def metric_line(metrics) -> str:
    """`recall@50: 12.35 %, ndcg@50: …` of the metrics in `SHOWN` and `SHAPE`."""
    told = {name: value for name, value in metrics.items() if name.split("@")[0] in SHOWN + SHAPE}
    return ", ".join(f"{name}: {metric_text(name, value)}" for name, value in told.items())


def metric_table(rows) -> str:
    """Metrics of several systems side by side, percent; - where a system has none.

    Args:
        rows: name of the system -> its metrics.
    """
    names = [name for name in next(iter(rows.values())) if name.split("@")[0] in SHOWN + LISTS]
    width = max(len(name) for name in rows)
    lines = [" ".join([" " * width, *(f"{name:>13}" for name in names)])]
    for system, metrics in rows.items():
        cells = (f"{100 * metrics[name]:>13.2f}" if name in metrics else f"{'-':>13}" for name in names)
        lines.append(" ".join([f"{system:<{width}}", *cells]))
    return "\n".join(lines)
