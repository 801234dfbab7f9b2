"""Events as lines and bars."""
