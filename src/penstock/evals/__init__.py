"""Evaluation of a mechanism on a user's own data."""
