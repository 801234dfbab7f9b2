"""One module for each command, imported when that command runs. Each has a click command named `command`."""
