"""Raw logs to a prepared data set."""
