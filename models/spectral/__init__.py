"""The closed-form family on the spectrum of what followed what."""
