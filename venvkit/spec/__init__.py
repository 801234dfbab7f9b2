"""Specs, the requirement language, engine data, and the request that follows from them. Pure."""
