"""A training run: graphs, checkpoints, resuming."""
