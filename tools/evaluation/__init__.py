"""Lists and targets to figures."""
