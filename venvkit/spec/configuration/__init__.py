"""Package sources: pip's and uv's configuration, and the account of each statement with its speaker."""
