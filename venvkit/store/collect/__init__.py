"""Collection of what nobody needs."""
