"""Ctrl-C and SIGTERM while training: the step is finished first."""

import signal


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to end.

    Args:
        number: of the signal; a shell expects the exit code 128 + number.
    """

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class Interrupt:
    """While entered, the first SIGINT or SIGTERM waits for `watch`; a second one acts as if this were not there."""

    def __init__(self):
        self.number = None  # of the signal that came
        self.handlers = {}

    def __enter__(self):
        self.handlers = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_):
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.handlers = {}

    def _note(self, number, _):
        self.number = number
        self.__exit__()
        if hasattr(signal, "SIGCHLD"):  # Paddle's handler raises, wherever we are, for reader processes that end now
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def watch(self, iterable):
        """The iterable; `Interrupted` once the work on what it gave is done, or in its own place where it failed."""
        iterator = iter(iterable)
        while True:
            try:
                one = next(iterator)
            except StopIteration:
                return
            except Exception:
                if self.number:  # the reader processes got the signal too, and are gone
                    raise Interrupted(self.number) from None
                raise
            yield one
            if self.number:
                raise Interrupted(self.number)
