"""Building one environment."""
