"""The commands, `python -m tools.NAME`, and behind them one folder a subject, which commands and root scripts share."""

import warnings

warnings.filterwarnings("ignore", message="No ccache found")  # Paddle's import looks for a compiler's cache
