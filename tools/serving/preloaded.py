"""All that serving needs, for the process from which those that serve are forked: each is then quick to open.

A module of its own, since importing is all that `multiprocessing` does there. Paddle has no thread before it computes.
"""

import gc
import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks, which then ends this one

from tools.common.errors import hear_signals  # noqa: E402
from tools.serving import service, watched  # noqa: E402, F401

hear_signals()  # Paddle is here since
gc.freeze()  # a fork shares what nothing touches
