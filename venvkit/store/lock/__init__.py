"""Locks and leases."""
