"""What registered models are built on."""
