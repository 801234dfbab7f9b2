"""pip: its client, its failures, its resolver."""
