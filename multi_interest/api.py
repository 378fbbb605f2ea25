"""`from multi_interest.api import prepare, fit, load`, in a checkout and installed; see `tools.api`."""

from tools.api import Model, fit, load, prepare

__all__ = ["Model", "fit", "load", "prepare"]
