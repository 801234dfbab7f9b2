"""Environments on the disk: where they lie, who may write, what proves one complete, and what points to it."""
