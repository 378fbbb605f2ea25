"""Recall of committed configurations, over seeds."""
