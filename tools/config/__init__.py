"""The configuration: keys, the yaml and its overrides, checks."""
