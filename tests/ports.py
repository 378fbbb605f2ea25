"""TCP ports for the servers that tests start, each worker's its own."""

import itertools
import os
import random
import socket

# Below those that the kernel gives away (from 32768): a port that is free now is not taken by somebody's connection
# before the server that we start listens at it. Each of pytest-xdist's workers has a range of its own.
COUNT = 200
FIRST = 20_000 + COUNT * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 60)
_next = itertools.cycle(range(FIRST, FIRST + COUNT // 2))
for _ in range(random.randrange(COUNT // 2)):  # another checkout's tests may run beside
    next(_next)
LAUNCHER = f"{FIRST + COUNT // 2}:{FIRST + COUNT - 1}"  # PORT_RANGE of paddle.distributed.launch


def free_port() -> int:
    """A port at which nobody listens, another one each time."""
    for port in itertools.islice(_next, COUNT // 2):
        with socket.socket() as server:
            try:
                server.bind(("", port))
            except OSError:
                continue
            return port
    raise OSError(f"all ports from {FIRST} on are taken")
