"""Ctrl-C and SIGTERM while training: the step is finished first."""

import signal

from tools.common import parent, ranks


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to end.

    Args:
        number: of the signal; a shell expects the exit code 128 + number.
    """

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class Interrupt:
    """While entered, the first SIGINT or SIGTERM waits for `watch`; a second one acts as if this were not there.

    Not under Paddle's launcher, which sends its SIGTERM three times: there it is the launcher that ends what stays, and
    those that come while the process ends, its work saved or its error to be told, are passed over.
    """

    def __init__(self):
        self.number = None  # of the signal that came
        self.handlers = {}

    def __enter__(self):
        self.handlers = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind, *_):
        ending = parent.launched() and (kind or self.number)
        for number, handler in self.handlers.items():
            signal.signal(number, signal.SIG_IGN if ending else handler)
        self.handlers = {}

    def _note(self, number, _):
        self.number = number
        if not parent.launched():
            self.__exit__(None)
        if hasattr(signal, "SIGCHLD"):  # Paddle's handler raises, wherever we are, for reader processes that end now
            signal.signal(signal.SIGCHLD, lambda *_: None)  # Python complains of SIG_DFL where one has come already

    def watch(self, iterable):
        """The iterable; `Interrupted` in all processes at once, after the work on what was given before.

        A process that has less to do stays until all are through.
        """
        iterator, end = iter(iterable), object()
        while True:
            try:
                one = next(iterator, end)
            except Exception:
                if not self.number:
                    raise
                one = end  # the reader processes that had just begun got the signal too
            number, more = ranks.largest(self.number or 0, one is not end)
            if number:
                raise Interrupted(number)
            if not more:
                return
            if one is not end:
                yield one
