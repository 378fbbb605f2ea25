"""The commands, `python -m tools.NAME`, and behind them one folder a subject, which commands and root scripts share."""
