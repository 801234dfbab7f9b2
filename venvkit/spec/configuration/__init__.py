"""Where packages come from: pip's and uv's configuration, the sources, and who said what."""
