"""The requirement language: requirement lines, markers, addresses."""
