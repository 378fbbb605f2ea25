"""Folders that vanish with what needs them."""

import shutil
import tempfile
import weakref
from pathlib import Path


class PassingFolder:
    """A folder that vanishes with this object, and with Python at the latest."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="multi-interest-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
