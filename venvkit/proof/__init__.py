"""Everything that may say "proved"."""
