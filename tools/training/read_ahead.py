"""The batches of a reader, read ahead by processes or in between steps; what goes wrong in a reader goes wrong here."""

import os
import signal
from collections.abc import Iterator

import numpy as np
from paddle.io import DataLoader, IterableDataset

from tools.common.errors import UserError
from tools.common.parent import end_with_parent


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
    """A reader's batches: of so many processes, or for 0 read here, each when it is its turn.

    A thread that reads ahead takes Python's lock from the training: a step is 0 to 4 % longer with it.

    Raises:
        UserError: of the reader, and any other exception of its.
    """
    return _of_processes(reader, num_workers) if num_workers else iter(reader)


def _of_processes(reader, num_workers):
    parent = os.getpid()

    def begin(_):
        os.setpgid(0, 0)  # a group of its own: a terminal's Ctrl-C is for the trainer, which ends its readers itself
        end_with_parent(signal.SIGKILL, parent)

    for batch in DataLoader(Told(reader), batch_size=None, num_workers=num_workers, worker_init_fn=begin):
        if len(batch) == 1:
            raise UserError(np.asarray(batch[0]).tobytes().decode())
        yield batch
