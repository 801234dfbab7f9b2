"""The layout of pages, without knowledge of environments."""
