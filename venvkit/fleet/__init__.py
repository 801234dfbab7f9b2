"""The fleet: every model of a source with every engine that its spec names, planned or built in one run."""
