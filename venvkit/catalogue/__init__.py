"""Models by name: the places where specs lie, what each of them offers, and the choice of one."""
