"""Space and usage of the filesystem below the store."""
