"""Servers and clusters that run on venvkit: each module here imports what it integrates with, and nothing else does."""
