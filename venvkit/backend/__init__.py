"""The outside tools: the process runner, uv, and the metadata of what an index offers."""
