"""Benchmark suites: one file per suite, and what they share."""
