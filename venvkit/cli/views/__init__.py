"""Results of the library as pages."""
