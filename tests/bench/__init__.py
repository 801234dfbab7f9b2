"""Measurements beside their anchors: `python -m tests.bench [CASE...] [--runs N] [--json FILE]`."""
