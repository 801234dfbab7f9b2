"""Options of the commands, and the selection of models."""
