"""The batches of a reader, read while the model trains; what goes wrong in the reader goes wrong here."""

import os
import queue
import signal
import threading
from collections.abc import Iterator

import numpy as np
from paddle.io import DataLoader, IterableDataset

from tools.common.errors import UserError
from tools.common.parent import end_with_parent

DEPTH = 4  # batches that wait to be trained


class Told(IterableDataset):
    """A reader whose `UserError` comes as a batch of its text: of other exceptions in its processes Paddle prints the
    traceback and raises one of its own."""

    def __init__(self, reader):
        super().__init__()
        self.reader = reader

    def __iter__(self):
        try:
            yield from self.reader
        except UserError as error:
            yield [np.frombuffer(str(error).encode(), np.uint8)]
        except MemoryError:
            yield [np.frombuffer(b"out of memory in a reader process; lower runner.train_batch_size", np.uint8)]


def batches(reader, num_workers) -> Iterator:
    """A reader's batches: of so many processes, or of a thread for 0.

    Raises:
        UserError: of the reader, and any other exception of its.
    """
    return _of_processes(reader, num_workers) if num_workers else of_thread(reader)


def _of_processes(reader, num_workers):
    parent = os.getpid()

    def begin(_):
        os.setpgid(0, 0)  # a group of its own: a terminal's Ctrl-C is for the trainer, which ends its readers itself
        end_with_parent(signal.SIGKILL, parent)

    for batch in DataLoader(Told(reader), batch_size=None, num_workers=num_workers, worker_init_fn=begin):
        if len(batch) == 1:
            raise UserError(np.asarray(batch[0]).tobytes().decode())
        yield batch


def of_thread(reader, depth=DEPTH):
    """A reader's batches, up to `depth` of them read ahead by a thread, which ends where this iteration does.

    Paddle's own thread dies of an exception in the reader without a word, and who waits for it waits for ever.
    """
    waiting: queue.Queue = queue.Queue(depth)
    left, end = threading.Event(), object()

    def read():
        try:
            for batch in reader:
                waiting.put((batch, None))
                if left.is_set():
                    return
            waiting.put((end, None))
        except BaseException as error:
            waiting.put((end, error))

    threading.Thread(target=read, name="reader", daemon=True).start()
    try:
        while True:
            batch, error = waiting.get()
            if error is not None:
                raise error
            if batch is end:
                return
            yield batch
    finally:
        left.set()
        while not waiting.empty():  # the thread may wait for room
            waiting.get()
