"""Training objectives and what negatives are drawn from."""
