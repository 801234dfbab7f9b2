"""The machine: interpreter, distributions, accelerator, each with the watches that notice a change."""
