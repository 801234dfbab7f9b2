"""What the machine has: interpreter, distributions, accelerator, and how a change of any is noticed."""
