"""What the root scripts share, a module per word; `python -m tools.NAME` where it is a command."""
