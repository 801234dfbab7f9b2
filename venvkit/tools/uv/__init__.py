"""uv: its client, its failures, its resolver."""
