"""Interests to lists of items."""
