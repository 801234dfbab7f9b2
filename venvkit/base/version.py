"""The version of venvkit."""

__version__ = "0.1.0"
