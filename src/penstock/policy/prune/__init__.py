"""Pruning a conversation: what may leave its history, how far, and when that pays."""
