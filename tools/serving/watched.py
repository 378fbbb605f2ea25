"""The export that is served now: opened in a process of its own, and replaced by a newer one without a gap."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from tools.common.errors import UserError
from tools.common.replacing import version
from tools.serving.worker import ENDED, Worker


class GoneError(Exception):
    """The process that was asked has ended; another one is being started."""


class Watched:
    """A folder whose export is served, and what is put in its place later.

    Args:
        folder: of the export.
        filters: gives what every list may hold; asked again with each export.
    """

    def __init__(self, *, folder, filters=lambda: None):
        self.folder, self.filters = folder, filters
        self.outcome: Callable[[str], None] = lambda outcome: None  # what each replacement was: swapped or refused
        self.worker: Worker | None = None
        self.opened, self.version = "", None  # when, and which
        self.changing = asyncio.Lock()

    @property
    def ready(self) -> bool:
        """Whether it answers."""
        return self.worker is not None

    @property
    def told(self) -> dict[str, Any]:
        """What is served."""
        return {"ready": self.ready, "opened": self.opened, **(self.worker.told if self.worker else {})}

    async def open(self):
        """Serve the folder's export, beside which an older one goes on until this one is open; then that one ends.

        Raises:
            UserError: where it is no whole export; the older one is served on.
        """
        async with self.changing:
            self.version = version(self.folder)
            new = await Worker.start(self.folder, self.filters(), beside=self.ready)
            old, self.worker = self.worker, new
            self.opened = datetime.now(timezone.utc).isoformat(timespec="seconds")
            if old:
                await old.close()

    async def reload(self):
        """As `open`, told in the log and counted."""
        try:
            await self.open()
        except UserError as error:
            self.outcome("refused")
            logging.error(
                "%s: not served (%s): %s", self.folder, "the one before still is" if self.ready else "nothing is", error
            )
            raise
        self.outcome("swapped")
        logging.info("%s: served from now on: %s", self.folder, self.told)

    async def watch(self, seconds, *, replace):
        """Look for ever whether the process lives, and start it again where it has ended.

        Args:
            seconds: between two looks.
            replace: whether another export in the folder's place is served then, or refused, once.
        """
        while True:
            await asyncio.sleep(seconds)
            if self.worker and not self.worker.process.is_alive():
                self._lose(self.worker)
            if self.worker is None or (replace and version(self.folder) not in (None, self.version)):
                try:
                    await self.reload()
                except UserError:  # told already
                    continue
                except Exception:  # no process to be had, say; the next look may find one
                    logging.exception("%s", self.folder)

    async def ask(self, kind, bodies):
        """See `Worker.ask`; a `GoneError` where its process has ended, which `watch` starts again."""
        if (worker := self.worker) is None:
            raise GoneError
        try:
            return await worker.ask(kind, bodies)
        except ENDED:
            if worker is not self.worker:  # another has taken over
                return await self.ask(kind, bodies)
            self._lose(worker)
            raise GoneError from None

    def _lose(self, worker):
        self.worker = None
        worker.writer.close()  # one that only seems to have ended, since what forked it has, ends by this
        logging.error("%s: its process has ended (%s); starting it again", self.folder, worker.process.exitcode)

    async def close(self):
        """End its process."""
        if worker := self.worker:
            self.worker = None
            await worker.close()
