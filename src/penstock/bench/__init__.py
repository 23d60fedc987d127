"""Benchmarks that anyone can run: ``scripts/bench NAME``. They report; nothing in the tests depends on a clock."""
