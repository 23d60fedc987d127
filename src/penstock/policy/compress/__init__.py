"""Compressing context: what a text is, what of it is worth keeping, and what must be kept whatever the target says."""
