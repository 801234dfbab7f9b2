"""How a page is laid out; knows nothing of environments."""
