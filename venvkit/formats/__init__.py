"""Stored and printed formats: receipt, mark, index entry."""
