"""Benchmarks that print our figure, a peer's from the same run, and the budget from the design."""
