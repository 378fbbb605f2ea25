"""An export, opened and asked."""
