"""Changing the store: removal, rollback."""
