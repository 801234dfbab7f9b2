"""The outside programs, and the two resolvers."""
