"""From a call to an environment."""
