"""The validator for people who write specs: what can be told of a spec without launching its model."""
